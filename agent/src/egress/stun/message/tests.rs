use proptest::prelude::*;

use super::*;

/// The transaction of the sample messages in RFC 5769.
const SAMPLE: TransactionId = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

fn success(id: TransactionId, attributes: &[u8]) -> Vec<u8> {
    message(BINDING_SUCCESS, id, attributes)
}

fn message(kind: u16, id: TransactionId, attributes: &[u8]) -> Vec<u8> {
    let mut message = request(id).to_vec();
    message[..2].copy_from_slice(&kind.to_be_bytes());
    message[2..4].copy_from_slice(&u16::try_from(attributes.len()).unwrap().to_be_bytes());
    message.extend_from_slice(attributes);
    message
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut attribute = kind.to_be_bytes().to_vec();
    attribute.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
    attribute.extend_from_slice(value);
    attribute.resize(4 + value.len().next_multiple_of(4), 0);
    attribute
}

fn mapped(address: SocketAddr) -> Vec<u8> {
    let mut value = vec![0, if address.is_ipv4() { 1 } else { 2 }];
    value.extend_from_slice(&address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(v4) => value.extend_from_slice(&v4.octets()),
        IpAddr::V6(v6) => value.extend_from_slice(&v6.octets()),
    }
    value
}

/// RFC 5769, 2.2: SOFTWARE, XOR-MAPPED-ADDRESS, MESSAGE-INTEGRITY and FINGERPRINT.
#[test]
fn the_published_ipv4_response_is_read() {
    let response = bytes(
        "0101003c 2112a442 b7e7a701bc34d686fa87dfae \
         8022000b 7465737420766563746f7220 00200008 0001a147e112a643 \
         00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96",
    );
    assert_eq!(answer(SAMPLE, &response), Ok("192.0.2.1:32853".parse().unwrap()));
}

/// RFC 5769, 2.3: the same over IPv6.
#[test]
fn the_published_ipv6_response_is_read() {
    let response = bytes(
        "01010048 2112a442 b7e7a701bc34d686fa87dfae \
         8022000b 7465737420766563746f7220 00200014 0002a147 0113a9faa5d3f179bc25f4b5bed2b9d9 \
         00080014 a382954e4be67bf11784c97c8292c275bfe3ed41 80280004 c8fb0b4c",
    );
    let expected = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
    assert_eq!(answer(SAMPLE, &response), Ok(expected));
}

#[test]
fn the_request_is_the_bare_header() {
    assert_eq!(request(SAMPLE).to_vec(), bytes("00010000 2112a442 b7e7a701bc34d686fa87dfae"));
}

#[test]
fn an_old_server_that_masks_nothing_is_understood() {
    let address = "198.51.100.7:4711".parse().unwrap();
    // SOURCE-ADDRESS and CHANGED-ADDRESS of RFC 3489 stand around it.
    let mut attributes = attribute(0x0004, &mapped("192.0.2.3:3478".parse().unwrap()));
    attributes.extend(attribute(MAPPED_ADDRESS, &mapped(address)));
    attributes.extend(attribute(0x0005, &mapped("192.0.2.4:3479".parse().unwrap())));
    assert_eq!(answer(SAMPLE, &success(SAMPLE, &attributes)), Ok(address));
}

#[test]
fn the_masked_address_counts_before_the_plain_one() {
    let (plain, true_one) = ("10.0.0.2:1".parse().unwrap(), "198.51.100.7:4711".parse().unwrap());
    let mut attributes = attribute(MAPPED_ADDRESS, &mapped(plain));
    attributes.extend(attribute(XOR_MAPPED_ADDRESS, &mapped(unxored(true_one, SAMPLE))));
    assert_eq!(answer(SAMPLE, &success(SAMPLE, &attributes)), Ok(true_one));
}

#[test]
fn what_is_no_answer_to_the_request_is_left_alone() {
    let right = success(SAMPLE, &attribute(MAPPED_ADDRESS, &mapped("192.0.2.1:1".parse().unwrap())));
    assert!(answer(SAMPLE, &right).is_ok());
    let mut other_id = SAMPLE;
    other_id[11] ^= 1;
    assert_eq!(answer(other_id, &right), Err(Refused::Foreign));
    let changed = |at: usize, to: u8| {
        let mut wrong = right.clone();
        wrong[at] = to;
        wrong
    };
    for wrong in [
        Vec::new(),
        right[..19].to_vec(),
        right[..right.len() - 1].to_vec(),
        [&right[..], &[0; 4]].concat(),
        changed(3, 11),
        changed(4, 0),
        message(BINDING_REQUEST, SAMPLE, &[]),
        message(0x0111 | 0x8000, SAMPLE, &[]),
    ] {
        assert_eq!(answer(SAMPLE, &wrong), Err(Refused::Foreign), "{wrong:02x?}");
    }
}

#[test]
fn refusals_are_told_by_their_code() {
    let refusal =
        |value: &[u8]| answer(SAMPLE, &message(BINDING_ERROR, SAMPLE, &attribute(ERROR_CODE, value)));
    assert_eq!(refusal(b"\0\0\x04\x01Unauthorized"), Err(Refused::Error(401)));
    assert_eq!(refusal(b"\0"), Err(Refused::Error(0)));
}

#[test]
fn an_answer_without_a_readable_address_says_so() {
    for value in
        [&b""[..], b"\0\x01\x12\x34", b"\0\x01\x12\x34\x01\x02\x03", b"\0\x03\x12\x34\x01\x02\x03\x04"]
    {
        let response = success(SAMPLE, &attribute(XOR_MAPPED_ADDRESS, value));
        assert_eq!(answer(SAMPLE, &response), Err(Refused::NoAddress), "{value:?}");
    }
    // A length that reaches beyond the message.
    assert_eq!(answer(SAMPLE, &success(SAMPLE, b"\0\x20\x00\x08")), Err(Refused::NoAddress));
}

proptest! {
    #[test]
    fn every_address_comes_through(octets: [u8; 16], v6: bool, port: u16, id: TransactionId) {
        let [a, b, c, d, ..] = octets;
        let ip = if v6 { IpAddr::from(octets) } else { IpAddr::from([a, b, c, d]) };
        let address = SocketAddr::new(ip, port);
        let masked = attribute(XOR_MAPPED_ADDRESS, &mapped(unxored(address, id)));
        prop_assert_eq!(answer(id, &success(id, &masked)), Ok(address));
        prop_assert_eq!(answer(id, &success(id, &attribute(MAPPED_ADDRESS, &mapped(address)))), Ok(address));
    }

    #[test]
    fn no_bytes_make_it_panic(id: TransactionId, kind in prop::sample::select(vec![0x0101_u16, 0x0111]), body: Vec<u8>) {
        let _ = answer(id, &body);
        let whole = &body[..body.len() / 4 * 4];
        let _ = answer(id, &message(kind, id, whole));
    }
}
