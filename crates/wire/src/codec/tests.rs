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
