//! Widgets: each draws plain data with a theme into an area, at any size, and changes nothing else.

pub mod banner;
pub mod bars;
pub mod empty;
pub mod frame;
pub mod heading;
pub mod pen;
pub mod posterior;
pub mod series;
pub mod sparkline;
pub mod table;

pub use pen::Pen;

#[cfg(test)]
pub(crate) mod testing;
