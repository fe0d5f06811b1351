//! One place that ties an enum's variants to the words that stand for them in the database, the API
//! and the webhook document, so that the two can never drift apart.

/// Defines a fieldless enum together with its stored words: `as_str`, `FromStr`, `Display`, `ALL` and
/// serde through the same words.
macro_rules! words {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$vmeta:meta])* $variant:ident = $word:literal, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $( $(#[$vmeta])* $variant, )+
        }

        impl $name {
            /// Every variant, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word that is stored and shown to programs.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::state::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::state::UnknownWord {
                        what: stringify!($name),
                        word: word.chars().take(64).collect(),
                    }),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                word.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use words;

#[cfg(test)]
mod tests {
    use crate::{
        alert::{AlertKind, Event, Severity},
        delivery::DeliveryState,
        dns::RecordKind,
        echo::KnownFormat,
        flow::FailureKind,
        state::State,
        verdict::Finding,
    };

    fn round_trip<T>(all: &[T])
    where
        T: Copy + PartialEq + std::fmt::Debug + std::str::FromStr + serde::Serialize,
        T: serde::de::DeserializeOwned + std::fmt::Display,
        T::Err: std::fmt::Debug,
    {
        let mut seen = std::collections::BTreeSet::new();
        for value in all {
            let word = value.to_string();
            assert_eq!(word.parse::<T>().unwrap(), *value);
            let json = serde_json::to_string(value).unwrap();
            assert_eq!(serde_json::from_str::<T>(&json).unwrap(), *value);
            assert!(seen.insert(word), "two variants share a word: {value:?}");
        }
    }

    #[test]
    fn every_stored_word_reads_back_as_itself() {
        round_trip(State::ALL);
        round_trip(Finding::ALL);
        round_trip(FailureKind::ALL);
        round_trip(AlertKind::ALL);
        round_trip(Severity::ALL);
        round_trip(Event::ALL);
        round_trip(DeliveryState::ALL);
        round_trip(KnownFormat::ALL);
        round_trip(RecordKind::ALL);
    }

    #[test]
    fn an_unknown_word_is_named() {
        let error = "sideways".parse::<State>().unwrap_err();
        assert_eq!(error.to_string(), "\"sideways\" is no State");
    }
}
