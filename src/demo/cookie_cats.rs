//! The cookie-cats data: a real A/B test, shipped with the program.

use std::io::Read as _;

use flate2::read::GzDecoder;
use serde::Deserialize;

/// The file, as it was published.
const FILE: &[u8] = include_bytes!("../../data/cookie_cats.csv.gz");

/// One player of the file.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub struct Player {
    /// The player's id in the file.
    pub user_id: u64,
    /// The variant.
    pub gate: Gate,
    /// Rounds played in the first fourteen days.
    pub game_rounds: u32,
    /// Whether the player came back a day after installing.
    pub retained_day_1: bool,
    /// Whether the player came back seven days after installing.
    pub retained_day_7: bool,
}

/// The variants of the file.
#[derive(Debug, Clone, Copy, Eq, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Control: the first gate stands at level 30.
    #[serde(rename = "gate_30")]
    Thirty,
    /// Treatment: the first gate stands at level 40.
    #[serde(rename = "gate_40")]
    Forty,
}

impl Gate {
    /// Key of the variant.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Thirty => "gate_30",
            Self::Forty => "gate_40",
        }
    }
}

#[derive(Deserialize)]
struct Row {
    userid: u64,
    version: Gate,
    sum_gamerounds: u32,
    retention_1: String,
    retention_7: String,
}

/// The shipped file is damaged: the build is broken.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// It does not unpack.
    #[error("cannot unpack the built-in cookie-cats data: {0}; build the program anew")]
    Unpack(#[from] std::io::Error),
    /// A line is not of the form that is expected.
    #[error("cannot read the built-in cookie-cats data: {0}; build the program anew")]
    Parse(#[from] csv::Error),
    /// A flag is neither `TRUE` nor `FALSE`.
    #[error(
        "cannot read the built-in cookie-cats data: player {player} has \"{given}\" for a flag; build the program anew"
    )]
    Flag {
        /// The player.
        player: u64,
        /// What stands there.
        given: String,
    },
}

/// All players, in the order of the file.
///
/// # Errors
/// See [`DataError`].
pub fn players() -> Result<Vec<Player>, DataError> {
    let mut text = Vec::new();
    GzDecoder::new(FILE).read_to_end(&mut text)?;
    let mut players = Vec::with_capacity(100_000);
    for row in csv::Reader::from_reader(text.as_slice()).deserialize() {
        let row: Row = row?;
        players.push(Player {
            user_id: row.userid,
            gate: row.version,
            game_rounds: row.sum_gamerounds,
            retained_day_1: flag(row.userid, row.retention_1)?,
            retained_day_7: flag(row.userid, row.retention_7)?,
        });
    }
    Ok(players)
}

fn flag(player: u64, given: String) -> Result<bool, DataError> {
    match given.as_str() {
        "TRUE" => Ok(true),
        "FALSE" => Ok(false),
        _ => Err(DataError::Flag { player, given }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_the_published_counts() {
        let players = players().expect("reads");
        let count = |gate: Gate, which: fn(&Player) -> bool| {
            players.iter().filter(|p| p.gate == gate && which(p)).count()
        };
        assert_eq!(players.len(), 90_189);
        assert_eq!(count(Gate::Thirty, |_| true), 44_700);
        assert_eq!(count(Gate::Forty, |_| true), 45_489);
        assert_eq!(count(Gate::Thirty, |p| p.retained_day_1), 20_034);
        assert_eq!(count(Gate::Forty, |p| p.retained_day_1), 20_119);
        assert_eq!(count(Gate::Thirty, |p| p.retained_day_7), 8_502);
        assert_eq!(count(Gate::Forty, |p| p.retained_day_7), 8_279);
    }
}
