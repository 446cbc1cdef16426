//! Many short lists of numbers in one piece of memory.

/// A list of numbers for each of 0, 1, 2 ...
#[derive(Clone, Debug, Default)]
pub(crate) struct Lists {
    /// Where each list ends.
    ends: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    /// The list of a number; empty beyond the last.
    pub(crate) fn of(&self, number: u32) -> &[u32] {
        let at = number as usize;
        let start = if at == 0 { 0 } else { self.ends.get(at - 1).map_or(0, |&end| end as usize) };
        self.ends.get(at).map_or(&[], |&end| &self.items[start..end as usize])
    }

    /// Adds the list of the next number.
    pub(crate) fn push(&mut self, list: impl IntoIterator<Item = u32>) {
        self.items.extend(list);
        self.ends.push(self.items.len() as u32);
    }

    /// For each number below `count` the lists that hold it, in order.
    pub(crate) fn inverse(&self, count: usize) -> Self {
        let mut ends = vec![0; count];
        self.items.iter().for_each(|&item| ends[item as usize] += 1);
        let mut sum = 0;
        for end in &mut ends {
            sum += *end;
            *end = sum;
        }
        let mut items = vec![0; self.items.len()];
        // From the back, each end moves to where its list starts ...
        for list in (0..self.ends.len() as u32).rev() {
            for &item in self.of(list).iter().rev() {
                let end = &mut ends[item as usize];
                *end -= 1;
                items[*end as usize] = list;
            }
        }
        // ... which is where the one before it ends.
        ends.rotate_left(usize::from(count > 0));
        if let Some(last) = ends.last_mut() {
            *last = sum;
        }
        Self { ends, items }
    }
}

impl<L: IntoIterator<Item = u32>> FromIterator<L> for Lists {
    fn from_iter<I: IntoIterator<Item = L>>(lists: I) -> Self {
        let mut all = Self::default();
        lists.into_iter().for_each(|list| all.push(list));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inverse_tells_who_holds_what() {
        let lists: Lists = [vec![1, 3], vec![], vec![3, 0]].into_iter().collect();
        assert_eq!((lists.of(0), lists.of(1), lists.of(2), lists.of(3)), (&[1, 3][..], &[][..], &[3, 0][..], &[][..]));
        let inverse = lists.inverse(5);
        assert_eq!([0, 1, 2, 3, 4].map(|n| inverse.of(n).to_vec()), [vec![2], vec![0], vec![], vec![0, 2], vec![]]);
        assert_eq!(Lists::default().inverse(0).of(0), &[] as &[u32]);
    }
}
