//! Structures without a byte that is nobody's, checked at compile time.

/// The size of the field that `get` leads to.
pub(crate) const fn size_of_field<S, F>(_get: fn(&S) -> &F) -> usize {
    size_of::<F>()
}

/// Asserts that a `repr(C)` structure is these fields, all of them and in this order, each behind
/// the other, and then so many bytes to the end of its last line that nobody uses. A gap between two
/// fields would be one that no picture shows and no hash tells of.
macro_rules! packed {
    ($type:ty { $($field:ident),+ $(,)? } then $unused:literal unused) => {
        const _: () = {
            let mut at = 0;
            $(
                assert!(::core::mem::offset_of!($type, $field) == at, "a gap, or another order");
                at += $crate::packed::size_of_field(|it: &$type| &it.$field);
            )+
            assert!(at + $unused == size_of::<$type>(), "a field is missing, or a gap is");
        };
    };
}

pub(crate) use packed;
