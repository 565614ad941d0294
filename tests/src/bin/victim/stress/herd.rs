//! The worker processes of this process's pool, as the kernel tells of them: also those that have
//! not said a word yet.

use std::collections::HashSet;

use forkyard::StartMethod;
use tests::census::{Standing, pids, standing};

/// See the module.
#[derive(Debug)]
pub(super) struct Herd {
    me: i32,
    /// Workers are the children of a child of ours.
    forked: bool,
    zygote: Option<i32>,
    /// Whose children they are was looked up, and they are none of ours.
    strangers: HashSet<i32>,
    looks: u32,
}

/// After so many looks a stranger's number may be somebody else's.
const FORGET_AFTER: u32 = 100;

impl Herd {
    pub(super) fn of(method: StartMethod) -> Self {
        Self {
            me: std::process::id().cast_signed(),
            forked: method != StartMethod::Spawn,
            zygote: None,
            strangers: HashSet::new(),
            looks: 0,
        }
    }

    /// The process from which workers are forked, if they are and any is there.
    pub(super) fn zygote(&mut self) -> Option<i32> {
        if self.forked && self.zygote.is_none() {
            let ours: Vec<i32> = pids()
                .filter(|pid| {
                    standing(*pid).is_some_and(|now| now.parent == self.me && now.state != 'Z')
                })
                .collect();
            // Another may be held in reserve: it has no children.
            self.zygote = pids()
                .filter_map(standing)
                .map(|now| now.parent)
                .find(|parent| ours.contains(parent));
        }
        self.zygote
    }

    /// The live workers.
    pub(super) fn look(&mut self) -> Vec<i32> {
        self.looks += 1;
        if self.looks.is_multiple_of(FORGET_AFTER) {
            self.strangers.clear();
        }
        let parent = if self.forked {
            self.zygote()
        } else {
            Some(self.me)
        };
        let mut found = Vec::new();
        for pid in pids() {
            if self.strangers.contains(&pid) {
                continue;
            }
            match standing(pid) {
                Some(now) if Some(now.parent) != parent => {
                    self.strangers.insert(pid);
                }
                Some(now) if now.state != 'Z' => found.push(pid),
                Some(_) | None => {}
            }
        }
        found
    }

    /// How that worker stands now, if it is one and lives. A number is nobody else's at once: the
    /// kernel goes through all of them first.
    pub(super) fn check(&self, pid: i32) -> Option<Standing> {
        let parent = if self.forked { self.zygote? } else { self.me };
        standing(pid).filter(|now| now.parent == parent && now.state != 'Z')
    }
}
