//! Initial protection: keys from the connection id, header protection, AEAD (RFC 9001 section 5).

use std::fmt;

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use aes_gcm::Aes128Gcm;
use aes_gcm::aead::AeadInOut as _;
use arrayvec::ArrayVec;
use hkdf::Hkdf;
use sha2::Sha256;

use super::{MAX_CONNECTION_ID, Packet};

/// How Initial packets of a version are told and protected.
pub(super) struct Version {
    salt: [u8; 20],
    key_label: &'static str,
    iv_label: &'static str,
    hp_label: &'static str,
    /// Packet type bits of Initial.
    pub(super) initial_type: u8,
    /// Packet type bits of Retry, which has neither length nor number.
    pub(super) retry_type: u8,
}

impl Version {
    /// The parameters of a version number, where they are known.
    pub(super) const fn of(number: u32) -> Option<&'static Self> {
        Some(match number {
            // Version 1, and the drafts that had its salt.
            0x0000_0001 | 0xFF00_0021 | 0xFF00_0022 => &VERSION_1,
            0x6B33_43CF => &VERSION_2,
            // The number that drafts of version 2 had.
            0x709A_50C4 => &VERSION_2_DRAFT,
            0xFF00_001D..=0xFF00_0020 => &DRAFT_29,
            // Drafts 23 to 28; mvfst's numbers for draft 27 and for its experiments.
            0xFF00_0017..=0xFF00_001C | 0xFACE_B002 | 0xFACE_B00E => &DRAFT_23,
            // Draft 22; mvfst's number for it.
            0xFF00_0016 | 0xFACE_B001 => &DRAFT_22,
            // Google's Q050, T050 and T051.
            0x5130_3530 => &GOOGLE_Q050,
            0x5430_3530 => &GOOGLE_T050,
            0x5430_3531 => &GOOGLE_T051,
            _ => return None,
        })
    }

    const fn like_version_1(salt: u128, salt_end: u32) -> Self {
        Self {
            salt: join(salt, salt_end),
            key_label: "quic key",
            iv_label: "quic iv",
            hp_label: "quic hp",
            initial_type: 0,
            retry_type: 3,
        }
    }

    const fn like_version_2(salt: u128, salt_end: u32) -> Self {
        Self {
            salt: join(salt, salt_end),
            key_label: "quicv2 key",
            iv_label: "quicv2 iv",
            hp_label: "quicv2 hp",
            initial_type: 1,
            retry_type: 0,
        }
    }
}

/// RFC 9001 section 5.2.
static VERSION_1: Version = Version::like_version_1(0x3876_2CF7_F559_34B3_4D17_9AE6_A4C8_0CAD, 0xCCBB_7F0A);
/// RFC 9369 section 3.3.
static VERSION_2: Version = Version::like_version_2(0x0DED_E3DE_F700_A6DB_8193_81BE_6E26_9DCB, 0xF9BD_2ED9);
static VERSION_2_DRAFT: Version =
    Version::like_version_2(0xA707_C203_A59B_4718_4A1D_62CA_5704_06EA, 0x7AE3_E5D3);
static DRAFT_29: Version = Version::like_version_1(0xAFBF_EC28_9993_D24C_9E97_86F1_9C61_11E0, 0x4390_A899);
static DRAFT_23: Version = Version::like_version_1(0xC3EE_F712_C72E_BB5A_11A7_D243_2BB4_6365, 0xBEF9_F502);
static DRAFT_22: Version = Version::like_version_1(0x7FBC_DB0E_7C66_BBE9_193A_96CD_2151_9EBD, 0x7A02_644A);
static GOOGLE_Q050: Version = Version::like_version_1(0x5045_74EF_D066_FE2F_9D94_5CFC_DBD3_A7F0, 0xD3B5_6B45);
static GOOGLE_T050: Version = Version::like_version_1(0x7FF5_79E5_ACD0_7291_5580_304C_43A2_367C, 0x6048_8310);
static GOOGLE_T051: Version = Version::like_version_1(0x7A4E_DEF4_E7CC_EE5F_A450_6C19_124F_C8CC, 0xDA6E_033D);

const fn join(start: u128, end: u32) -> [u8; 20] {
    let mut salt = [0; 20];
    let (head, tail) = salt.split_at_mut(16);
    head.copy_from_slice(&start.to_be_bytes());
    tail.copy_from_slice(&end.to_be_bytes());
    salt
}

/// What opens a client's Initial packets.
pub(super) struct Keys {
    dcid: ArrayVec<u8, MAX_CONNECTION_ID>,
    packet: Aes128Gcm,
    iv: [u8; 12],
    header: Aes128,
}

impl Keys {
    /// The client's keys for the destination connection id that it chose.
    pub(super) fn of_client(version: &Version, dcid: &[u8]) -> Self {
        let initial = Hkdf::<Sha256>::new(Some(&version.salt), dcid);
        let client: [u8; 32] = expand_label(&initial, "client in");
        let client = Hkdf::<Sha256>::from_prk(&client).expect("a SHA-256 output is long enough for a PRK");
        let (key, header): ([u8; 16], [u8; 16]) =
            (expand_label(&client, version.key_label), expand_label(&client, version.hp_label));
        Self {
            dcid: dcid.iter().copied().take(MAX_CONNECTION_ID).collect(),
            packet: Aes128Gcm::new(&key.into()),
            iv: expand_label(&client, version.iv_label),
            header: Aes128::new(&header.into()),
        }
    }

    /// Whether these are the keys for this connection id.
    pub(super) fn made_from(&self, dcid: &[u8]) -> bool {
        self.dcid.as_slice() == dcid
    }

    /// The frames of a packet; nothing when it is not protected with these keys.
    pub(super) fn open(&self, packet: &Packet<'_>) -> Option<Vec<u8>> {
        let sample_at = packet.number_at + 4;
        let sample: [u8; 16] = packet.bytes.get(sample_at..sample_at + 16)?.try_into().ok()?;
        let mask = self.mask(sample);

        let first = packet.bytes[0] ^ (mask[0] & 0x0F);
        let number_length = usize::from(first & 3) + 1;
        let (header, sealed) = packet.bytes.split_at(packet.number_at + number_length);
        let mut header = header.to_vec();
        header[0] = first;
        let number_bytes = &mut header[packet.number_at..];
        number_bytes.iter_mut().zip(&mask[1..]).for_each(|(byte, mask)| *byte ^= mask);
        // A client's first packets have numbers far below 2^8, so that the bytes sent are the number.
        let number = number_bytes.iter().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));

        let mut plain = sealed.to_vec();
        self.packet.decrypt_in_place(&self.nonce(number).into(), &header, &mut plain).ok()?;
        Some(plain)
    }

    /// RFC 9001 section 5.4.3.
    fn mask(&self, sample: [u8; 16]) -> [u8; 16] {
        let mut block = sample.into();
        self.header.encrypt_block(&mut block);
        block.into()
    }

    /// RFC 9001 section 5.3.
    fn nonce(&self, number: u64) -> [u8; 12] {
        let mut nonce = self.iv;
        nonce[4..].iter_mut().zip(number.to_be_bytes()).for_each(|(byte, number)| *byte ^= number);
        nonce
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("dcid", &self.dcid).finish_non_exhaustive()
    }
}

/// HKDF-Expand-Label with an empty context (RFC 8446 section 7.1).
fn expand_label<const N: usize>(secret: &Hkdf<Sha256>, label: &str) -> [u8; N] {
    let mut output = [0; N];
    let (length, label_length) = ((N as u16).to_be_bytes(), 6 + label.len() as u8);
    secret
        .expand_multi_info(&[&length, &[label_length], b"tls13 ", label.as_bytes(), &[0]], &mut output)
        .expect("at most 32 octets are asked for, and HKDF gives up to 8160");
    output
}

/// The other way round, for tests that need a client.
#[cfg(test)]
impl Keys {
    /// Protects the packet with this header, whose last four octets are the packet number, and payload.
    pub(super) fn seal(&self, header: &[u8], payload: &[u8]) -> Vec<u8> {
        let number_at = header.len() - 4;
        let number = header[number_at..].iter().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
        let mut sealed = payload.to_vec();
        self.packet.encrypt_in_place(&self.nonce(number).into(), header, &mut sealed).expect("seal");
        let mask = self.mask(sealed[..16].try_into().expect("sample"));
        let mut packet = [header, &sealed].concat();
        packet[0] ^= mask[0] & 0x0F;
        packet[number_at..].iter_mut().zip(&mask[1..5]).for_each(|(byte, mask)| *byte ^= mask);
        packet
    }
}
