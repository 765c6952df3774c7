#pragma once
#include <string>

#include "harness/load/plan.hpp"

namespace kvtier {

/// What the TTFC sanity check sends after the phases of a run (harness/judge/ttfc_sanity.hpp).
struct TtfcSanityOptions {
  int requests = 8;  // a case
  int concurrency = 1;
  int short_max_tokens = 8;
  int long_max_tokens = 256;
  int context_tokens = 0;  // of the server, prompt and answer together; 0: it does not say
  std::string model;       // served name: the identity hashes cover it
};

/// The first prompt of `run`, with its sampling: one streamed request that warms up, then the four
/// cases in their documented order, a phase each. Nothing of it counts in a run's overall figures.
/// Throws ConfigError for an option out of range, for a run without requests, and where the long
/// answer does not fit the context: a server may shorten it without a word.
Plan BuildTtfcSanityPlan(const Plan& run, const TtfcSanityOptions& options);

}  // namespace kvtier
