#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/judge/evidence.hpp"
#include "harness/judge/reason.hpp"

/// KVBM's disk-offload filter decides whether a prime-evict-replay test measures anything: while it
/// is on, a block goes to the SSD only at its second registration in host memory within one tick,
/// and a hit in any tier registers nothing. So a run declares beforehand which of two things it
/// does, and its counters have to prove it.
namespace kvtier {

enum class FilterProtocol {
  kMechanism,   // filter off: the first visit writes, the replay reads
  kProduction,  // filter on: computed, computed again and written, read in the replay
};
/// "mechanism", "production"
std::string_view FilterProtocolName(FilterProtocol protocol);
std::optional<FilterProtocol> FindFilterProtocol(std::string_view name);
/// "mechanism mode (disk-offload filter off)", "production mode (filter on, three visits)"
std::string_view FilterProtocolText(FilterProtocol protocol);

/// Every so often the filter subtracts one from all its counts, and a block seen once is forgotten
/// (FrequencyFilter of KVBM: min 2, decay 600 s).
inline constexpr double kFilterTickSeconds = 600;

/// What the counters of one leg with an SSD tier say about its visits.
struct FilterVisits {
  std::string run_id;
  Reading<bool> filter_on;                               // as read back from the worker
  Reading<std::uint64_t> written_first, written_second;  // blocks; populate, populate_2
  Reading<std::uint64_t> written_pressure;               // blocks of the prompts that are sent once
  Reading<std::uint64_t> read_last;  // blocks that came from the SSD in the replay
  /// The longest time from sending a prompt to the end of its second visit.
  Reading<double> visit_gap_s;
  bool proven = false;  // no finding of CheckFilterProtocol blocks
};
FilterVisits CountVisits(const LegEvidence& leg, FilterProtocol declared);

/// A leg of any tier makes the visits that were declared; on one with an SSD tier the state that
/// the worker reports and what was written and read at each visit fit the protocol. Where the hit
/// model saw the tier sizes, its upper bound says how many blocks may pass the filter at once;
/// elsewhere none of a prompt that shares nothing with its neighbours.
Findings CheckFilterProtocol(const LegEvidence& leg, FilterProtocol declared);

/// The mode that a verdict speaks of.
struct FilterVerdict {
  std::optional<FilterProtocol> protocol = std::nullopt;  // empty: a run that declared none
  bool proven = false;                                    // by every leg with an SSD tier
  std::vector<FilterVisits> legs;
  /// FilterProtocolText, and what the counters say where they do not prove it; empty without a
  /// protocol.
  std::string Sentence() const;
};
FilterVerdict JudgeFilterProtocol(const std::vector<const LegEvidence*>& legs,
                                  std::optional<FilterProtocol> declared);
void to_json(nlohmann::json& j, const FilterVerdict& v);
/// Throws DataError naming the key.
void from_json(const nlohmann::json& j, FilterVerdict& v);

/// Can both visits of a prompt fall between two ticks? By estimated seconds, before traffic:
/// `stack_age_s` when the first visit begins, `between_s` from a prompt's first visit to its
/// second, `until_end_s` from the begin of the first visits to the end of the second ones.
struct FilterWindow {
  enum class Fit {
    kFits,     // both visits end before the filter's first tick
    kMayMiss,  // a tick may fall between them
    kMisses,   // one surely does
  };
  Fit fit = Fit::kFits;
  std::string sentence;
};
FilterWindow EstimateFilterWindow(double stack_age_s, double between_s, double until_end_s);

}  // namespace kvtier
