//! What kind of show it is.

use serde::{Deserialize, Serialize};

macro_rules! genres {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $en:literal, $zh:literal;)+) => {
        /// What kind of show it is. Buyers filter by it.
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
        )]
        #[serde(rename_all = "lowercase")]
        pub enum Genre {
            $($(#[doc = $doc])+ $name,)+
            /// None of these.
            #[default]
            Other,
        }

        impl Genre {
            /// As it is stored.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                    Self::Other => "other",
                }
            }

            /// Reads what is stored. What a later version stores is `other` to this one.
            #[must_use]
            pub fn from_stored(text: &str) -> Self {
                match text {
                    $($text => Self::$name,)+
                    _ => Self::Other,
                }
            }

            /// What people call it, in English and in Chinese.
            #[must_use]
            pub fn names(self) -> [&'static str; 2] {
                match self {
                    $(Self::$name => [$en, $zh],)+
                    Self::Other => ["", ""],
                }
            }
        }
    };
}

genres! {
    /// Music, live.
    Concert = "concert", "concert", "演唱会 音乐会";
    /// Plays.
    Theatre = "theatre", "theatre play drama", "话剧 戏剧";
    /// Opera, of every country.
    Opera = "opera", "opera", "戏曲 歌剧";
    /// Musicals.
    Musical = "musical", "musical", "音乐剧";
    /// Ballet and dance.
    Dance = "dance", "dance ballet", "舞蹈 芭蕾";
    /// Comedy and talk shows.
    Comedy = "comedy", "comedy", "喜剧 脱口秀 相声";
    /// Matches and races.
    Sport = "sport", "sport", "体育 比赛";
    /// Exhibitions.
    Exhibition = "exhibition", "exhibition", "展览";
    /// For children and their parents.
    Family = "family", "family children", "亲子 儿童";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_and_the_rest_is_other() {
        for genre in [Genre::Concert, Genre::Opera, Genre::Family, Genre::Other] {
            assert_eq!(Genre::from_stored(genre.as_str()), genre);
            assert_eq!(serde_json::to_value(genre).unwrap(), genre.as_str());
        }
        assert_eq!(Genre::from_stored("séance"), Genre::Other);
    }
}
