//! The operations of a pickle of protocol 2 to 5 (source: CPython's Lib/pickletools.py), and of
//! protocol 1 where Python 2 wrote it.

use crate::tensor_file::{Fault, invalid};

/// One operation with its argument. What only frames or announces is left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Op<'a> {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    /// Bytes, or an integer of more than 64 bits: nothing that a state holds.
    Opaque,
    /// A class or function: module and name.
    Global(&'a str, &'a str),
    StackGlobal,
    Mark,
    Pop,
    PopMark,
    Dup,
    EmptyList,
    EmptyDict,
    EmptySet,
    /// A tuple of so many values.
    Tuple(usize),
    /// Of all values since the mark.
    TupleOfMarked,
    ListOfMarked,
    DictOfMarked,
    SetOfMarked,
    Append,
    Appends,
    SetItem,
    SetItems,
    AddItems,
    Get(usize),
    Put(usize),
    Memoize,
    Persistent,
    Reduce,
    /// An object of a class; of so many arguments on the stack.
    NewObject(usize),
    Build,
    Stop,
}

impl Op<'_> {
    /// Whether it makes a value that lies in the arena.
    pub fn makes_node(&self) -> bool {
        use Op::*;
        matches!(
            self,
            Text(_)
                | Opaque
                | Global(..)
                | StackGlobal
                | EmptyList
                | EmptyDict
                | EmptySet
                | Tuple(_)
                | TupleOfMarked
                | ListOfMarked
                | DictOfMarked
                | SetOfMarked
                | Persistent
                | Reduce
                | NewObject(_)
        )
    }
}

/// The operations of a pickle, in order, up to and with `Stop`.
#[derive(Clone)]
pub(super) struct Ops<'a> {
    bytes: &'a [u8],
    /// Bytes read.
    pub at: usize,
}

impl<'a> Ops<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub fn next(&mut self) -> Result<Op<'a>, Fault> {
        loop {
            let start = self.at;
            let code = self.take(1)?[0];
            match code {
                // PROTO and FRAME.
                0x80 => self.protocol()?,
                0x95 => drop(self.take(8)?),
                _ => return self.constant(code, start),
            }
        }
    }

    fn protocol(&mut self) -> Result<(), Fault> {
        match self.take(1)?[0] {
            0..=5 => Ok(()),
            other => Err(invalid("pickle", format_args!("protocol {other}, at most 5"))),
        }
    }

    fn constant(&mut self, code: u8, start: usize) -> Result<Op<'a>, Fault> {
        Ok(match code {
            b'N' => Op::None,
            0x88 => Op::Bool(true),
            0x89 => Op::Bool(false),
            b'J' => Op::Int(i32::from_le_bytes(self.array()?).into()),
            b'K' => Op::Int(self.size(1)? as i64),
            b'M' => Op::Int(self.size(2)? as i64),
            b'G' => Op::Float(f64::from_be_bytes(self.array()?)),
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            // Of Python 2, then of 3.
            b'U' | 0x8c => self.text(1)?,
            b'T' | b'X' => self.text(4)?,
            0x8d => self.text(8)?,
            b'C' => self.opaque(1)?,
            b'B' => self.opaque(4)?,
            0x8e | 0x96 => self.opaque(8)?,
            b'c' => Op::Global(self.line()?, self.line()?),
            _ => return self.structure(code, start),
        })
    }

    fn structure(&mut self, code: u8, start: usize) -> Result<Op<'a>, Fault> {
        Ok(match code {
            0x93 => Op::StackGlobal,
            b'(' => Op::Mark,
            b'0' => Op::Pop,
            b'1' => Op::PopMark,
            b'2' => Op::Dup,
            b']' => Op::EmptyList,
            b'}' => Op::EmptyDict,
            0x8f => Op::EmptySet,
            b')' => Op::Tuple(0),
            0x85..=0x87 => Op::Tuple(usize::from(code - 0x84)),
            b't' => Op::TupleOfMarked,
            b'l' => Op::ListOfMarked,
            b'd' => Op::DictOfMarked,
            0x91 => Op::SetOfMarked,
            b'a' => Op::Append,
            b'e' => Op::Appends,
            b's' => Op::SetItem,
            b'u' => Op::SetItems,
            0x90 => Op::AddItems,
            b'h' => Op::Get(self.size(1)?),
            b'j' => Op::Get(self.size(4)?),
            b'q' => Op::Put(self.size(1)?),
            b'r' => Op::Put(self.size(4)?),
            0x94 => Op::Memoize,
            b'Q' => Op::Persistent,
            b'R' => Op::Reduce,
            0x81 => Op::NewObject(1),
            0x92 => Op::NewObject(2),
            b'b' => Op::Build,
            b'.' => Op::Stop,
            other => {
                let reason =
                    format!("operation 0x{other:02x} at byte {start} is none that torch.save uses");
                return Err(invalid("pickle", reason));
            }
        })
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or(&[]);
        let taken = rest.get(..length).ok_or_else(|| invalid("pickle", "it ends in the middle"))?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// A size of `width` bytes, at most 8.
    fn size(&mut self, width: usize) -> Result<usize, Fault> {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(self.take(width)?);
        usize::try_from(u64::from_le_bytes(bytes)).map_err(|error| invalid("pickle", error))
    }

    fn sized(&mut self, width: usize) -> Result<&'a [u8], Fault> {
        let length = self.size(width)?;
        self.take(length)
    }

    fn text(&mut self, width: usize) -> Result<Op<'a>, Fault> {
        // Bytes of Python 2 that are no text are of no use here.
        Ok(std::str::from_utf8(self.sized(width)?).map_or(Op::Opaque, Op::Text))
    }

    fn opaque(&mut self, width: usize) -> Result<Op<'a>, Fault> {
        self.sized(width).map(|_| Op::Opaque)
    }

    /// A little-endian integer in two's complement, of any length.
    fn long(&mut self, width: usize) -> Result<Op<'a>, Fault> {
        let bytes = self.sized(width)?;
        let Some(&last) = bytes.last() else { return Ok(Op::Int(0)) };
        if bytes.len() > 8 {
            return Ok(Op::Opaque);
        }
        let mut whole = [if last >= 0x80 { 0xff } else { 0 }; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        Ok(Op::Int(i64::from_le_bytes(whole)))
    }

    fn line(&mut self) -> Result<&'a str, Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or(&[]);
        let end = rest.iter().position(|&byte| byte == b'\n');
        let line = self.take(end.unwrap_or(rest.len()))?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|error| invalid("pickle", error))
    }
}
