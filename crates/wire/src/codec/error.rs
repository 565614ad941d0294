//! What can go wrong between a value and its bytes.

/// A value could not be encoded, or bytes are not a value of the type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CodecError {
    message: String,
}

impl CodecError {
    #[cold]
    pub(super) fn encoding(error: &bincode::ErrorKind) -> Self {
        Self {
            message: format!("the value could not be encoded: {error}"),
        }
    }

    #[cold]
    pub(super) fn trailing(bytes: usize) -> Self {
        Self {
            message: format!("the bytes are not a value of this type: {bytes} are left over"),
        }
    }

    #[cold]
    pub(super) fn decoding(error: &bincode::ErrorKind) -> Self {
        let why = match error {
            bincode::ErrorKind::Io(_) => "they end too early".to_owned(),
            other => other.to_string(),
        };
        Self {
            message: format!("the bytes are not a value of this type: {why}"),
        }
    }
}

/// A value could not be encoded into the room that it was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SliceError {
    /// The value has more bytes than there is room; what was written is of no use.
    #[error("the value does not fit into the room given; encode it into a buffer instead")]
    TooLong,
    /// The value cannot be encoded at all.
    #[error(transparent)]
    Codec(#[from] CodecError),
}
