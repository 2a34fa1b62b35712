//! Bodies of clients that nobody here wrote: unpacked, made sound text where they are almost that, and lists of them.

use std::borrow::Cow;
use std::io::Read as _;
use std::ops::Range;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use flate2::read::MultiGzDecoder;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tokio::sync::Semaphore;

use crate::api::problem::Code;

use super::error::ApiError;
use super::extract::{BodyLimit, RawBody};

/// How many bodies are unpacked at the same time: each may take that much memory, and a processor.
static UNPACKING: Semaphore = Semaphore::const_new(4);

/// A body of an SDK as text to be read: unpacked where it was gzipped, and [`mended`].
#[derive(Debug)]
pub struct SdkBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for SdkBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let gzipped = is_gzipped(request.headers())
            .map_err(|refusal| ApiError::new(Code::Malformed, refusal.to_string()))?;
        let BodyLimit(limit) = BodyLimit::of(&request);
        let RawBody(mut body) = RawBody::from_request(request, state).await?;
        if gzipped {
            // It is never closed.
            let _turn = UNPACKING.acquire().await;
            // A small body may be large once it is unpacked: other requests need not wait for it.
            let unpacked = tokio::task::spawn_blocking(move || gunzip(&body, limit));
            let unpacked = unpacked
                .await
                .map_err(|error| ApiError::Internal(format!("unpacking a body failed: {error}")))?;
            body = unpacked
                .map_err(|refusal| ApiError::new(refusal.code(), refusal.to_string()))?
                .into();
        }
        Ok(Self(match mended(&body) {
            Cow::Borrowed(same) if same.len() == body.len() => body,
            Cow::Borrowed(part) => body.slice_ref(part),
            Cow::Owned(mended) => mended.into(),
        }))
    }
}

/// Why a body cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum Packed {
    /// Another encoding than gzip.
    #[error("the body is encoded as `{0}`; send it gzipped, or as it is")]
    Unknown(String),
    /// The body says so, and is not.
    #[error("the body is not gzip, as its Content-Encoding says: {0}")]
    Damaged(#[from] std::io::Error),
    /// It holds more than that.
    #[error(
        "the body is larger than {0} bytes once it is unpacked, the most that this endpoint takes; send it in several requests"
    )]
    TooLarge(usize),
}

impl Packed {
    /// The code to answer with.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Unknown(_) | Self::Damaged(_) => Code::Malformed,
            Self::TooLarge(_) => Code::TooLarge,
        }
    }
}

/// Whether the body of a request is gzipped, by its header `Content-Encoding`.
///
/// # Errors
/// [`Packed::Unknown`] for another encoding.
pub fn is_gzipped(headers: &HeaderMap) -> Result<bool, Packed> {
    let Some(encoding) = headers.get(header::CONTENT_ENCODING) else {
        return Ok(false);
    };
    let encoding = String::from_utf8_lossy(encoding.as_bytes());
    match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(false),
        "gzip" | "x-gzip" => Ok(true),
        _ => Err(Packed::Unknown(encoding.into_owned())),
    }
}

/// The content of a gzipped body, at most `limit` bytes of it; no more than that is unpacked.
///
/// # Errors
/// [`Packed::TooLarge`] for more than that, [`Packed::Damaged`] for what is no gzip.
pub fn gunzip(body: &[u8], limit: usize) -> Result<Vec<u8>, Packed> {
    let mut content = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(body).take(most).read_to_end(&mut content)?;
    if content.len() > limit {
        return Err(Packed::TooLarge(limit));
    }
    Ok(content)
}

/// A JSON text without what makes it none although its sender could do nothing about it:
///
/// - a byte order mark in front is left out;
/// - half of a surrogate pair (`"\ud83d"`) becomes U+FFFD, as it does wherever text becomes UTF-8. JavaScript
///   writes it for a text that was cut in the middle of an emoji, and one such property must not cost the
///   event, or all that were sent with it;
/// - the words `NaN`, `Infinity` and `-Infinity` of an object or a list become `null`: Python writes them for
///   numbers that JSON does not have.
pub fn mended(json: &[u8]) -> Cow<'_, [u8]> {
    const WORDS: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
    let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
    // Anything else is no JSON of theirs: a form, in which quotes are encoded, or base64.
    let may_have_words = matches!(json.trim_ascii_start().first(), Some(b'{' | b'['));
    let mut mended = Mended::of(json);
    let mut in_text = false;
    // Where the digits of a first half stand whose second half has not come yet.
    let mut open: Option<usize> = None;
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => {
                in_text = !in_text;
                mended.half(open.take());
            }
            b'\\' if in_text => {
                if open.is_some_and(|digits| digits + 4 != at) {
                    mended.half(open.take());
                }
                // The byte after a backslash is escaped, also where it is another backslash.
                let digits = at + 2;
                match surrogate(json, digits) {
                    Some(0xD800..=0xDBFF) => mended.half(open.replace(digits)),
                    // The second half of the one that is open, if there is one.
                    Some(_) if open.take().is_some() => {}
                    Some(_) => mended.half(Some(digits)),
                    None => mended.half(open.take()),
                }
                at += 1;
            }
            b'N' | b'I' | b'-' if may_have_words && !in_text => {
                if let Some(word) = WORDS.iter().find(|word| json[at..].starts_with(word)) {
                    mended.put(at..at + word.len(), b"null");
                    at += word.len() - 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    mended.half(open);
    mended.whole()
}

/// The half of a surrogate pair that is written at `digits`, behind `\u`.
fn surrogate(json: &[u8], digits: usize) -> Option<u16> {
    if json.get(digits.checked_sub(1)?) != Some(&b'u') {
        return None;
    }
    let digits = std::str::from_utf8(json.get(digits..digits + 4)?).ok()?;
    let code = u16::from_str_radix(digits, 16).ok()?;
    (0xD800..=0xDFFF).contains(&code).then_some(code)
}

/// A text of which parts are replaced, from its beginning to its end; it is copied at the first of them.
struct Mended<'j> {
    json: &'j [u8],
    copy: Vec<u8>,
    /// How much of the text is in the copy.
    copied: usize,
}

impl<'j> Mended<'j> {
    fn of(json: &'j [u8]) -> Self {
        Self {
            json,
            copy: Vec::new(),
            copied: 0,
        }
    }

    fn put(&mut self, instead_of: Range<usize>, text: &[u8]) {
        if self.copied == 0 {
            self.copy.reserve(self.json.len() + text.len());
        }
        self.copy
            .extend_from_slice(&self.json[self.copied..instead_of.start]);
        self.copy.extend_from_slice(text);
        self.copied = instead_of.end;
    }

    /// Half of a pair, by the place of its digits, becomes U+FFFD.
    fn half(&mut self, digits: Option<usize>) {
        if let Some(at) = digits {
            self.put(at..at + 4, b"fffd");
        }
    }

    fn whole(mut self) -> Cow<'j, [u8]> {
        if self.copied == 0 {
            return Cow::Borrowed(self.json);
        }
        self.copy.extend_from_slice(&self.json[self.copied..]);
        Cow::Owned(self.copy)
    }
}

/// The elements of a list, of which as many are kept as may be in one, and how many there are. A small body may be
/// unpacked into a list of millions, which nobody needs to keep.
#[derive(Debug)]
pub struct Elements<'a, const MOST: usize> {
    /// The first of them.
    pub kept: Vec<&'a RawValue>,
    /// How many there are.
    pub count: usize,
}

impl<'de, const MOST: usize> Deserialize<'de> for Elements<'de, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<const MOST: usize>;
        impl<'de, const MOST: usize> Visitor<'de> for List<MOST> {
            type Value = Elements<'de, MOST>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut kept = Vec::new();
                while kept.len() < MOST
                    && let Some(element) = list.next_element()?
                {
                    kept.push(element);
                }
                let mut count = kept.len();
                while list.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Elements { kept, count })
            }
        }
        deserializer.deserialize_seq(List::<MOST>)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use axum::http::HeaderValue;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn text(json: &str) -> String {
        serde_json::from_slice(&mended(json.as_bytes())).expect("a text")
    }

    #[test]
    fn a_half_of_a_pair_is_replaced_and_a_whole_one_stays() {
        for (json, is) in [
            (r#""plain""#, "plain"),
            (r#""\ud83d\ude00""#, "😀"),
            (r#""\uD83D""#, "\u{fffd}"),
            (r#""a\ud83d b""#, "a\u{fffd} b"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\ud83d\n\ude00""#, "\u{fffd}\n\u{fffd}"),
            (r#""\ud83dx\ude00""#, "\u{fffd}x\u{fffd}"),
            // An escaped backslash before text that only looks like an escape.
            (r#""\\ud83d""#, r"\ud83d"),
            (r#""\\\ud83d""#, "\\\u{fffd}"),
            (r#""\u00e9\u0041""#, "éA"),
        ] {
            assert_eq!(text(json), is, "{json}");
        }
    }

    #[test]
    fn what_is_no_number_is_nothing_and_texts_stay() {
        for (json, is) in [
            (
                r#"["\ud83d",NaN,"x\ude00y\ud83d",Infinity,"\ud83d\ude00"]"#,
                r#"["\ufffd",null,"x\ufffdy\ufffd",null,"\ud83d\ude00"]"#,
            ),
            (
                r#"{"a":NaN,"b":[Infinity,-Infinity,-1],"c":"NaN"}"#,
                r#"{"a":null,"b":[null,null,-1],"c":"NaN"}"#,
            ),
            (" [NaN]", " [null]"),
            (
                r#"{"\"NaN":"-Infinity\\","x":NaN}"#,
                r#"{"\"NaN":"-Infinity\\","x":null}"#,
            ),
            (
                r#"["\ud83d",NaN,"\ude00 NaN"]"#,
                r#"["\ufffd",null,"\ufffd NaN"]"#,
            ),
            // What is no JSON does not become any.
            (r#"{"a":NaNN}"#, r#"{"a":nullN}"#),
            (
                "e=%5B%7B%22a%22%3A%22NaN%22%7D%5D",
                "e=%5B%7B%22a%22%3A%22NaN%22%7D%5D",
            ),
            ("NaNI", "NaNI"),
        ] {
            let mended = mended(json.as_bytes());
            assert_eq!(String::from_utf8_lossy(&mended), is, "{json}");
        }
    }

    #[test]
    fn a_mark_in_front_is_left_out() {
        assert_eq!(*mended(b"\xef\xbb\xbf{}"), *b"{}");
        assert_eq!(*mended(b"{}\xef\xbb\xbf"), *b"{}\xef\xbb\xbf");
    }

    #[test]
    fn a_long_list_is_counted_and_not_kept() {
        let of = |count: usize| {
            let list = format!("[{}]", vec!["{}"; count].join(", "));
            let elements: Elements<'_, 1_000> = serde_json::from_str(&list).expect("a list");
            (elements.kept.len(), elements.count)
        };
        for few in [0, 1, 999, 1_000] {
            assert_eq!(of(few), (few, few));
        }
        assert_eq!(of(50_000), (1_000, 50_000));
        assert!(serde_json::from_str::<Elements<'_, 1_000>>("[{}, {}").is_err());
    }

    #[test]
    fn gzip_is_unpacked_within_a_limit() {
        let packed = |text: &[u8]| {
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(text).expect("packs");
            packed.finish().expect("packs")
        };
        let zeros = packed(&[0; 1000]);
        assert_eq!(gunzip(&zeros, 1000).expect("unpacks").len(), 1000);
        assert!(matches!(gunzip(&zeros, 999), Err(Packed::TooLarge(999))));
        assert!(matches!(gunzip(b"{}", 10), Err(Packed::Damaged(_))));
        assert!(matches!(gunzip(&zeros[..10], 1000), Err(Packed::Damaged(_))));
        let two = [packed(b"ab"), packed(b"cd")].concat();
        assert_eq!(gunzip(&two, 4).expect("unpacks"), b"abcd");
    }

    #[test]
    fn other_encodings_are_refused_by_name() {
        let headers = |encoding| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
            headers
        };
        assert!(!is_gzipped(&HeaderMap::new()).expect("none"));
        assert!(!is_gzipped(&headers("identity")).expect("none"));
        assert!(is_gzipped(&headers("GZip")).expect("gzip"));
        let refusal = is_gzipped(&headers("br")).expect_err("unknown");
        assert!(refusal.to_string().contains("`br`"), "{refusal}");
    }

    proptest! {
        /// What is sound stays as it is, and anything at all is survived.
        #[test]
        fn sound_json_stays(text in any::<String>(), bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let json = serde_json::to_vec(&text).expect("writes");
            prop_assert!(matches!(mended(&json), Cow::Borrowed(same) if same == json));
            let _ = mended(&bytes);
        }

        /// Every text of escaped code units is read, the same as by JavaScript's conversion to UTF-8.
        #[test]
        fn any_code_units_are_read(units in proptest::collection::vec(0xD7F0_u16..0xE010, 0..12)) {
            let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            prop_assert_eq!(text(&format!("\"{escaped}\"")), String::from_utf16_lossy(&units));
        }
    }
}
