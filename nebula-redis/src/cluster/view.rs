//! What the nodes of a cluster say about it.

use std::collections::HashSet;

use super::slots::SLOTS;
use crate::client::Address;

const NOBODY: u16 = u16::MAX;

/// Who owns which slot, by the word of several nodes.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// All nodes that were named.
    nodes: Vec<Node>,
    /// Indices into `nodes`.
    owners: Vec<u16>,
    epochs: Vec<u64>,
}

#[derive(Debug, Clone)]
struct Node {
    address: Address,
    /// More than half of the masters believe so.
    failed: bool,
}

impl View {
    pub(super) fn new() -> Self {
        Self { nodes: Vec::new(), owners: vec![NOBODY; SLOTS], epochs: vec![0; SLOTS] }
    }

    /// Adds what the node at `teller` replied to `CLUSTER NODES`. Where nodes disagree about a slot, the owner with the
    /// greater configuration epoch is right, as it is among the nodes themselves. False if it is no such reply.
    pub(super) fn add(&mut self, teller: &Address, names: bool, reply: &str) -> bool {
        let mut told = false;
        for line in reply.lines() {
            let mut words = line.split(' ');
            let _id = words.next();
            let (Some(place), Some(flags)) = (words.next(), words.next()) else { continue };
            let epoch = words.nth(3).and_then(|word| word.parse::<u64>().ok());
            let _link = words.next();
            let (Some(epoch), Some(address)) = (epoch, address(teller, names, place)) else { continue };
            let flags: HashSet<&str> = flags.split(',').collect();
            if flags.contains("handshake") || flags.contains("noaddr") {
                continue;
            }
            told = true;
            let index = self.index(address, flags.contains("fail"));
            for (first, last) in words.filter_map(range) {
                for slot in first..=last {
                    if self.owners[slot] == NOBODY || self.epochs[slot] < epoch {
                        self.owners[slot] = index;
                        self.epochs[slot] = epoch;
                    }
                }
            }
        }
        told
    }

    fn index(&mut self, address: Address, failed: bool) -> u16 {
        let index = match self.nodes.iter().position(|node| node.address == address) {
            Some(index) => {
                self.nodes[index].failed |= failed;
                index
            }
            None => {
                self.nodes.push(Node { address, failed });
                self.nodes.len() - 1
            }
        };
        // Redis advises against more than a thousand nodes.
        u16::try_from(index).unwrap_or(NOBODY)
    }

    pub(super) fn owner(&self, slot: u16) -> Option<&Address> {
        self.nodes.get(usize::from(*self.owners.get(usize::from(slot))?)).map(|node| &node.address)
    }

    /// A node has said where a slot is now.
    pub(super) fn moved(&mut self, slot: u16, address: Address) {
        let index = self.index(address, false);
        if let Some(owner) = self.owners.get_mut(usize::from(slot)) {
            *owner = index;
        }
    }

    /// The owners of slots.
    pub(super) fn masters(&self) -> Vec<Address> {
        let mut owns = vec![false; self.nodes.len()];
        for owner in &self.owners {
            if let Some(owns) = owns.get_mut(usize::from(*owner)) {
                *owns = true;
            }
        }
        self.nodes.iter().zip(owns).filter(|(_, owns)| *owns).map(|(node, _)| node.address.clone()).collect()
    }

    /// Whether both name the same owners.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        (0..SLOTS as u16).all(|slot| self.owner(slot) == other.owner(slot))
    }

    pub(super) fn nodes(&self) -> Vec<Address> {
        self.nodes.iter().map(|node| node.address.clone()).collect()
    }

    /// Whether the others get along with it.
    pub(super) fn is_sound(&self, address: &Address) -> bool {
        self.nodes.iter().any(|node| node.address == *address && !node.failed)
    }
}

/// `ip:port@bus-port[,name[,…]]`. A node that has met nobody does not know its own address, but the teller is one that
/// we have reached.
fn address(teller: &Address, names: bool, place: &str) -> Option<Address> {
    let mut parts = place.split(',');
    let (host, port) = parts.next()?.split('@').next()?.rsplit_once(':')?;
    let name = parts.next().filter(|name| names && !name.is_empty() && !name.contains('='));
    let host = match name {
        Some(name) => name,
        None if host.is_empty() => &teller.host,
        None => host,
    };
    match port.parse() {
        Ok(0) | Err(_) => None,
        Ok(port) => Some(Address { host: host.to_owned(), port }),
    }
}

/// `7`, `0-5460`; not `[7->-…`, a slot that is being moved.
fn range(word: &str) -> Option<(usize, usize)> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last < SLOTS).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> Address {
        Address { host: host.to_owned(), port }
    }

    const BEFORE: &str = "\
a 127.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-8191 [8191->-b]
b 127.0.0.1:7001@17001,name.b,shard-id=5 master - 0 0 2 connected 8192 8193-16383
c 127.0.0.1:7002@17002,,shard-id=5 slave b 0 0 2 connected
d :0@0 master,noaddr - 0 0 0 disconnected
";
    const AFTER: &str = "\
c 127.0.0.1:7002@17002 myself,master - 0 0 3 connected 8192-16383
b 127.0.0.1:7001@17001 master,fail - 0 0 2 disconnected
a 127.0.0.1:7000@17000 master,fail? - 0 0 1 connected 0-8191
";

    #[test]
    fn the_newer_epoch_is_right_in_whatever_order_they_tell() {
        for replies in [[BEFORE, AFTER], [AFTER, BEFORE]] {
            let mut view = View::new();
            for reply in replies {
                assert!(view.add(&at("127.0.0.1", 1), false, reply));
            }
            assert_eq!(view.owner(0), Some(&at("127.0.0.1", 7000)));
            assert_eq!(view.owner(8192), Some(&at("127.0.0.1", 7002)));
            assert_eq!(view.owner(16383), Some(&at("127.0.0.1", 7002)));
            assert_eq!(view.masters().len(), 2);
            assert_eq!(view.nodes().len(), 3);
            assert!(view.is_sound(&at("127.0.0.1", 7000)), "one that is only suspected");
            assert!(!view.is_sound(&at("127.0.0.1", 7001)) && !view.is_sound(&at("127.0.0.1", 7003)));
        }
    }

    #[test]
    fn names_are_used_with_tls_and_a_lonely_node_is_where_it_was_reached() {
        let mut view = View::new();
        assert!(view.add(&at("node", 7000), true, BEFORE));
        assert_eq!(view.owner(9000), Some(&at("name.b", 7001)));
        let mut view = View::new();
        assert!(view.add(&at("node", 7000), false, "a :7000@17000 myself,master - 0 0 0 connected 5"));
        assert_eq!((view.owner(5), view.owner(6)), (Some(&at("node", 7000)), None));
        view.moved(6, at("other", 7001));
        assert_eq!(view.owner(6), Some(&at("other", 7001)));
        assert!(!View::new().add(&at("node", 7000), false, "no such reply"));
    }
}
