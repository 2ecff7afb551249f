//! SHA-256 on the way.

use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest as _, Sha256};

/// A hash that grows with the bytes.
#[derive(Clone, Default)]
pub(in crate::files) struct Digest(Sha256);

impl Digest {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of what came so far.
    pub(in crate::files) fn finish(&self) -> [u8; 32] {
        self.0.clone().finalize().into()
    }

    /// What another process needs to go on with it.
    pub(in crate::files) fn save(&self) -> Vec<u8> {
        self.0.serialize().to_vec()
    }

    /// Goes on with what was saved; `None` when that makes no sense.
    pub(in crate::files) fn restore(saved: &[u8]) -> Option<Self> {
        let state = SerializedState::<Sha256>::try_from(saved).ok()?;
        Sha256::deserialize(&state).map(Self).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_hash_goes_on_as_if_it_had_not_stopped() {
        let bytes: Vec<u8> = (0..1000_u32).map(|n| (n % 251) as u8).collect();
        let whole: [u8; 32] = Sha256::digest(&bytes).into();
        for cut in [0, 1, 63, 64, 65, 999, 1000] {
            let mut first = Digest::default();
            first.update(&bytes[..cut]);
            let mut second = Digest::restore(&first.save()).unwrap();
            second.update(&bytes[cut..]);
            assert_eq!(second.finish(), whole, "cut at {cut}");
        }
    }

    #[test]
    fn nonsense_is_not_restored() {
        assert!(Digest::restore(b"").is_none());
        assert!(Digest::restore(&[0xff; 104]).is_none());
    }
}
