//! Making texts fit: every service has limits, and refuses what is longer.

/// Marks where a text was cut.
const ELLIPSIS: char = '…';

/// `text` as `render` writes it; where that is longer than `limit`, as much of it as fits, and an ellipsis.
pub(super) fn fit(
    text: &str,
    limit: usize,
    length: impl Fn(&str) -> usize,
    render: impl Fn(&str) -> String,
) -> String {
    let whole = render(text);
    if length(&whole) <= limit {
        return whole;
    }
    // Rendering can make a text many times longer, so how much fits is found by halving.
    let (mut fits, mut too_long) = (0, text.len());
    let mut best = String::new();
    while too_long - fits > 1 {
        let middle = fits + (too_long - fits) / 2;
        let end = text.floor_char_boundary(middle);
        let cut = render(&format!("{}{ELLIPSIS}", text[..end].trim_end()));
        if length(&cut) <= limit {
            fits = middle;
            best = cut;
        } else {
            too_long = middle;
        }
    }
    best
}

/// The length as services count it whose words are "characters": in UTF-16, which is never less than they mean.
pub(super) fn characters(text: &str) -> usize {
    text.encode_utf16().count()
}

/// `text` itself, cut to so many characters.
pub(super) fn to_characters(text: &str, limit: usize) -> String {
    // A unit of UTF-16 takes three bytes at most, so what is behind these cannot matter.
    let longest = text.floor_char_boundary((limit + 2) * 3);
    fit(&text[..longest], limit, characters, str::to_owned)
}

/// `text` itself, cut to so many bytes.
pub(super) fn to_bytes(text: &str, limit: usize) -> String {
    let longest = text.floor_char_boundary(limit + 4);
    fit(&text[..longest], limit, str::len, str::to_owned)
}

/// What `build` makes of the largest share, halved from `share` on, of which `fits` approves; of a share of a few
/// characters in the end.
pub(super) fn shrink<T>(share: usize, fits: impl Fn(&T) -> bool, build: impl Fn(usize) -> T) -> T {
    let mut share = share;
    loop {
        let built = build(share);
        if share < 16 || fits(&built) {
            return built;
        }
        share /= 2;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_fits_stays_whole() {
        assert_eq!(to_characters("abc", 3), "abc");
        assert_eq!(to_characters("abcd", 3), "ab…");
        assert_eq!(to_characters("ab  cd", 4), "ab…", "no blanks before the ellipsis");
        assert_eq!(to_bytes("äöü", 6), "äöü");
        assert_eq!(to_bytes("äöü", 5), "ä…");
        assert_eq!(to_characters("😀😀", 3), "😀…", "two units each");
    }

    #[test]
    fn the_length_is_that_of_what_is_written() {
        let render = |text: &str| text.replace('&', "&amp;");
        assert_eq!(fit("&&&", 11, str::len, render), "&amp;…");
        assert_eq!(fit("&&&", 15, str::len, render), "&amp;&amp;&amp;");
    }

    #[test]
    fn shares_are_halved_until_it_fits() {
        assert_eq!(shrink(100, |n| *n <= 30, |share| share), 25);
        assert_eq!(shrink(100, |_| false, |share| share), 12);
    }

    proptest! {
        #[test]
        fn nothing_is_ever_too_long(text in "\\PC{0,60}", limit in 3..40_usize) {
            let render = |text: &str| text.replace('&', "&amp;");
            prop_assert!(fit(&text, limit, str::len, render).len() <= limit);
            prop_assert!(characters(&to_characters(&text, limit)) <= limit);
        }
    }
}
