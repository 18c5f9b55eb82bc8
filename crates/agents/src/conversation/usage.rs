//! What the conversation has used.

use quarterdeck_protocol::agent::{Cost, TokenUsage, Usage};
use serde::{Deserialize, Serialize};

/// Totals of a session. Vendors count money from the start of their program, so what earlier ones
/// used is kept apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    tokens: Option<TokenUsage>,
    /// Millionths used by programs that have ended.
    earlier_micros: u64,
    /// Of the running program.
    cost: Option<Cost>,
    context_used: Option<u64>,
    context_size: Option<u64>,
}

impl Totals {
    pub(super) fn handle_process_start(&mut self) {
        if let Some(cost) = &mut self.cost {
            self.earlier_micros = self.earlier_micros.saturating_add(cost.amount_micros);
            cost.amount_micros = 0;
        }
    }
    pub(super) fn add(&mut self, tokens: TokenUsage) {
        self.tokens.get_or_insert_default().add(tokens);
    }
    pub(super) fn set_cost(&mut self, cost: Cost) {
        self.cost = Some(cost);
    }
    pub(super) fn set_context(&mut self, used: Option<u64>, size: Option<u64>) {
        self.context_used = used.or(self.context_used);
        self.context_size = size.or(self.context_size);
    }
    pub(super) fn usage(&self) -> Usage {
        Usage {
            tokens: self.tokens,
            cost: self
                .cost
                .as_ref()
                .map(|cost| Cost { amount_micros: self.micros(), currency: cost.currency.clone() }),
            context_used: self.context_used,
            context_size: self.context_size,
        }
    }
    fn micros(&self) -> u64 {
        let now = self.cost.as_ref().map_or(0, |cost| cost.amount_micros);
        self.earlier_micros.saturating_add(now)
    }
}

/// What the running turn has used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TurnUsage {
    tokens: Option<TokenUsage>,
    /// The session's millionths when it began.
    began_micros: u64,
}

impl TurnUsage {
    pub(super) fn new(totals: &Totals) -> Self {
        Self { tokens: None, began_micros: totals.micros() }
    }
    pub(super) fn add(&mut self, tokens: TokenUsage) {
        self.tokens.get_or_insert_default().add(tokens);
    }
    pub(super) fn usage(&self, totals: &Totals) -> Usage {
        let mut usage = totals.usage();
        usage.tokens = self.tokens;
        if let Some(cost) = &mut usage.cost {
            cost.amount_micros = cost.amount_micros.saturating_sub(self.began_micros);
        }
        usage
    }
}
