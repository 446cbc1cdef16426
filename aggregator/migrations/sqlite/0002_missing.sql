-- Each range of `run.kept` says for which hour what is missing right before it counts. What was missing so far
-- is in the table `loss` already, which null says.
UPDATE run SET kept = (
    SELECT json_group_array(json_array(value -> 0, value -> 1, value -> 2)) FROM json_each(run.kept)
) WHERE kept != '[]';
