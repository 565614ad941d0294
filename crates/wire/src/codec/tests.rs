//! Round trips, and bytes that are none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{SliceError, decode, decode_next, encode_to_slice, encode_to_vec, encoded_len};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Sample {
    Nothing,
    Pair(u8, String),
    Fields {
        list: Vec<i64>,
        map: BTreeMap<String, Option<f64>>,
    },
}

fn samples() -> Vec<Sample> {
    vec![
        Sample::Nothing,
        Sample::Pair(7, "f\u{fc}nf".into()),
        Sample::Fields {
            list: vec![-1, i64::MAX],
            map: BTreeMap::from([("a".into(), None), ("b".into(), Some(0.5))]),
        },
    ]
}

#[test]
fn values_survive_and_take_the_length_foretold() {
    for sample in samples() {
        let mut bytes = vec![9];
        encode_to_vec(&sample, &mut bytes).unwrap();
        assert_eq!(bytes.len() - 1, encoded_len(&sample).unwrap());
        assert_eq!(decode::<Sample>(&bytes[1..]).unwrap(), sample);
        let mut room = [0; 256];
        let len = encode_to_slice(&sample, &mut room).unwrap();
        assert_eq!(room[..len], bytes[1..]);
    }
}

#[test]
fn integers_are_fixed_and_little_endian() {
    let mut room = [0xff; 9];
    assert_eq!(encode_to_slice(&258_u64, &mut room), Ok(8));
    assert_eq!(room, [2, 1, 0, 0, 0, 0, 0, 0, 0xff]);
}

#[test]
fn several_values_follow_each_other() {
    let mut bytes = Vec::new();
    for sample in samples() {
        encode_to_vec(&sample, &mut bytes).unwrap();
    }
    let mut rest = bytes.as_slice();
    for sample in samples() {
        assert_eq!(decode_next::<Sample>(&mut rest).unwrap(), sample);
    }
    assert!(rest.is_empty());
    assert!(decode_next::<u8>(&mut rest).is_err());
}

#[test]
fn room_that_is_too_small_is_told_from_values_that_cannot_be_encoded() {
    assert_eq!(
        encode_to_slice(&1_u64, &mut [0; 7]),
        Err(SliceError::TooLong)
    );
    struct Broken;
    impl Serialize for Broken {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no bytes for this"))
        }
    }
    let result = encode_to_slice(&Broken, &mut [0; 7]);
    assert!(matches!(result, Err(SliceError::Codec(ref e)) if e.to_string().contains("no bytes")));
    let mut kept = vec![1, 2];
    assert!(encode_to_vec(&(5_u8, Broken), &mut kept).is_err());
    assert_eq!(kept, [1, 2]);
}

#[test]
fn cut_overlong_and_lying_bytes_are_errors() {
    let mut bytes = Vec::new();
    for sample in samples() {
        bytes.clear();
        encode_to_vec(&sample, &mut bytes).unwrap();
        for end in 0..bytes.len() {
            assert!(decode::<Sample>(&bytes[..end]).is_err());
            let mut rest = &bytes[..end];
            assert!(decode_next::<Sample>(&mut rest).is_err());
            assert_eq!(rest.len(), end, "a failed decode takes nothing");
        }
        bytes.push(0);
        assert!(decode::<Sample>(&bytes).is_err(), "trailing bytes");
    }
    let endless = u64::MAX.to_le_bytes();
    assert!(decode::<String>(&endless).is_err());
    assert!(decode::<Vec<u64>>(&endless).is_err());
    assert!(decode_next::<String>(&mut endless.as_slice()).is_err());
}

/// What the README says does not cross: reading it takes names and types that are not in the bytes.
#[test]
fn types_that_need_a_self_describing_format_are_refused() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u64),
        Text(String),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Dot { x: u8 },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flat {
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Skips {
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<u8>,
        size: u8,
    }
    fn crosses<T: Serialize + serde::de::DeserializeOwned + PartialEq>(value: &T) -> bool {
        let mut bytes = Vec::new();
        encode_to_vec(value, &mut bytes).is_ok()
            && decode::<T>(&bytes).is_ok_and(|back| back == *value)
    }
    assert!(!crosses(&Untagged::Number(1)));
    assert!(!crosses(&Untagged::Text("a".into())));
    assert!(!crosses(&Tagged::Dot { x: 1 }));
    assert!(!crosses(&Flat {
        rest: BTreeMap::from([("a".into(), 1)])
    }));
    let named = |name| Skips { name, size: 1 };
    assert!(!crosses(&named(None)) && crosses(&named(Some(7))));
}
