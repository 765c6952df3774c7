#include "harness/judge/filter_protocol.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/judge/agreement.hpp"
#include "harness/judge/gates.hpp"
#include "harness/judge/json_fields.hpp"

namespace kvtier {
namespace {

using Blocks = Reading<std::uint64_t>;

/// The phases of the visits, by either scenario's names; null where the leg has none.
struct Visits {
  const PhaseEvidence* first = nullptr;
  const PhaseEvidence* second = nullptr;
  const PhaseEvidence* last = nullptr;
  std::vector<const PhaseEvidence*> pressure;
};

Visits VisitsOf(const LegEvidence& leg) {
  Visits v;
  for (const char* name : {"populate", "warm_A"}) {
    if (v.first == nullptr) v.first = leg.FindPhase(name);
  }
  if (v.first != nullptr) v.second = leg.FindPhase(v.first->name + "_2");
  v.last = HeadlinePhase(leg);
  for (const PhaseEvidence& phase : leg.phases) {
    if (phase.name.starts_with("thrash") || phase.name.starts_with("pressure_B"))
      v.pressure.push_back(&phase);
  }
  return v;
}

/// Where an exporter counts bytes alone, as many blocks as they make.
Blocks InBlocks(const Blocks& counted, const Reading<Bytes>& bytes, std::uint64_t block_bytes) {
  if (counted.available() || !bytes.available() || block_bytes == 0) return counted;
  return (bytes->value + block_bytes - 1) / block_bytes;
}

Blocks Written(const LegEvidence& leg, const PhaseEvidence* phase) {
  if (phase == nullptr) return Blocks::Unavailable("the leg has no such phase");
  return InBlocks(BlocksWritten(phase->tiers), phase->tiers.offload_to_g3_bytes, leg.block_bytes);
}

Blocks ReadBack(const LegEvidence& leg, const PhaseEvidence* phase) {
  if (phase == nullptr) return Blocks::Unavailable("the leg has no replay phase");
  Blocks blocks = phase->tiers.onboard_g3_to_g1_blocks;
  const auto& staged = phase->tiers.onboard_g3_to_g2_blocks;
  if (blocks.available() && staged.available()) blocks = *blocks + *staged;
  return InBlocks(blocks, phase->tiers.onboard_from_g3_bytes, leg.block_bytes);
}

Blocks WrittenUnderPressure(const LegEvidence& leg, const Visits& visits) {
  std::uint64_t sum = 0;
  for (const PhaseEvidence* phase : visits.pressure) {
    const Blocks one = Written(leg, phase);
    if (!one.available()) return one;
    sum += *one;
  }
  return sum;
}

Reading<double> GapOf(const LegEvidence& leg, const Visits& visits) {
  if (visits.first == nullptr || visits.second == nullptr)
    return Reading<double>::Unavailable("the leg has no second visit");
  std::map<std::string, MonoNs> begun;
  for (const RequestRecord& r : leg.records) {
    if (r.phase == visits.first->name && r.stamps.issued)
      begun.emplace(r.planned.identity.prompt_sha256, *r.stamps.issued);
  }
  std::optional<MonoNs> longest;
  for (const RequestRecord& r : leg.records) {
    if (r.phase != visits.second->name || !r.stamps.done) continue;
    const auto first = begun.find(r.planned.identity.prompt_sha256);
    if (first != begun.end())
      longest = std::max(longest.value_or(0), *r.stamps.done - first->second);
  }
  if (!longest) return Reading<double>::Unavailable("no prompt has a stamp of both visits");
  return static_cast<double>(*longest) / 1e9;
}

/// No two requests of the phase can compute the same block at once, so that none is registered
/// twice in it.
bool SharesNothing(const LegEvidence& leg, const PhaseEvidence& phase) {
  if (phase.concurrency <= 1) return true;
  std::set<std::string> prefixes;
  for (const RequestRecord& r : leg.records) {
    if (r.phase != phase.name) continue;
    const auto& prefix = r.planned.prefix_hash.value_or(r.planned.identity.prompt_sha256);
    if (!prefixes.insert(prefix).second) return false;
  }
  return true;
}

/// Blocks that a filter that is on may let through in this phase; empty where no bound is known.
std::optional<std::uint64_t> MayPass(const LegEvidence& leg, const PhaseEvidence& phase) {
  const auto& filter = leg.worker.disk_offload_filter;
  if (phase.expected && filter.available() && *filter)
    return phase.expected->offload_g2_to_g3_blocks.high;
  if (SharesNothing(leg, phase)) return 0;
  return std::nullopt;
}

class Check {
 public:
  Check(const LegEvidence& leg, FilterProtocol declared)
      : leg_(leg), declared_(declared), visits_(VisitsOf(leg)) {}

  Findings Run() {
    if (leg_.phases.empty()) return {};  // RUN_INCOMPLETE says so
    const bool three = declared_ == FilterProtocol::kProduction;
    if (three) CheckPlan();
    if (!HasDiskTier(leg_.tier)) return std::move(out_);
    CheckState();
    if (three) {
      CheckNothingPassesAtOnce();
      CheckSecondAndLast();
      CheckGap();
    } else {
      CheckFirstVisitWrites();
    }
    return std::move(out_);
  }

 private:
  void Find(Reason reason, const std::string& phase, const std::string& detail) {
    out_.push_back(MakeFinding(reason, leg_.run_id, phase,
                               fmt::format("{}: {}", FilterProtocolName(declared_), detail)));
  }

  /// False, and a finding, where the counter cannot be read: a gate that cannot see is closed.
  bool Known(const Blocks& blocks, const PhaseEvidence& phase, const char* what) {
    if (blocks.available()) return true;
    Find(Reason::kMetricsUnavailable, phase.name,
         fmt::format("blocks {} are unknown, so the filter protocol is not proven: {}", what,
                     blocks.reason()));
    return false;
  }

  // Both arms get the same requests, so this holds without an SSD tier, too.
  void CheckPlan() {
    if (visits_.first == nullptr || visits_.second == nullptr || visits_.last == nullptr) {
      Find(
          Reason::kFilterVisitsIncomplete, "",
          fmt::format("the leg has no {}", visits_.first == nullptr    ? "first visit (populate)"
                                           : visits_.second == nullptr ? "second visit (populate_2)"
                                                                       : "third visit (replay)"));
    } else if (visits_.second->planned_requests != visits_.first->planned_requests) {
      Find(Reason::kFilterVisitsIncomplete, visits_.second->name,
           fmt::format("{} requests at the first visit and {} at the second",
                       visits_.first->planned_requests, visits_.second->planned_requests));
    }
  }

  void CheckState() {
    const auto& filter = leg_.worker.disk_offload_filter;
    if (!filter.available()) {
      Find(Reason::kFilterStateUnknown, "", filter.reason());
    } else if (*filter != (declared_ == FilterProtocol::kProduction)) {
      Find(Reason::kFilterStateContradicted, "",
           fmt::format("the worker reports its disk-offload filter {}", *filter ? "on" : "off"));
    }
  }

  void CheckFirstVisitWrites() {
    std::vector<const PhaseEvidence*> phases = visits_.pressure;
    if (visits_.first != nullptr) phases.insert(phases.begin(), visits_.first);
    for (const PhaseEvidence* phase : phases) {
      const Blocks written = Written(leg_, phase);
      if (phase->planned_requests == 0 || !Known(written, *phase, "written")) continue;
      if (*written == 0) {
        Find(Reason::kFilterCountersContradict, phase->name,
             "no block went to the SSD although all of them were computed, which is what a filter "
             "that is on does");
      }
    }
  }

  void CheckNothingPassesAtOnce() {
    std::vector<const PhaseEvidence*> phases = visits_.pressure;
    if (visits_.first != nullptr) phases.insert(phases.begin(), visits_.first);
    for (const PhaseEvidence* phase : phases) {
      const Blocks written = Written(leg_, phase);
      const auto most = MayPass(leg_, *phase);
      if (!Known(written, *phase, "written") || !most || *written <= *most) continue;
      Find(Reason::kFilterCountersContradict, phase->name,
           fmt::format("{} blocks went to the SSD at their first visit, at most {} can have passed "
                       "a filter that is on",
                       *written, *most));
    }
  }

  void CheckSecondAndLast() {
    if (visits_.second != nullptr) {
      const Blocks written = Written(leg_, visits_.second);
      const auto& expected = visits_.second->expected;
      // Blocks that requests in flight together registered twice have passed at the first visit.
      const bool all_passed = expected && expected->offload_g2_to_g3_blocks.high == 0;
      if (Known(written, *visits_.second, "written") && *written == 0 && !all_passed) {
        const Reading<double> gap = GapOf(leg_, visits_);
        Find(Reason::kFilterVisitsIncomplete, visits_.second->name,
             "the second visit wrote no block to the SSD" +
                 (gap.available()
                      ? fmt::format("; the visits of a prompt lie up to {:.0f} s apart, and a tick "
                                    "of the filter may have fallen between them",
                                    *gap)
                      : std::string()));
      }
    }
    if (visits_.last == nullptr) return;
    const Blocks read = ReadBack(leg_, visits_.last);
    if (Known(read, *visits_.last, "read from the SSD") && *read == 0)
      Find(Reason::kFilterVisitsIncomplete, visits_.last->name,
           "the third visit read no block from the SSD");
  }

  void CheckGap() {
    const Reading<double> gap = GapOf(leg_, visits_);
    if (!gap.available() || *gap <= kFilterTickSeconds) return;
    Find(Reason::kFilterWindowMissed, visits_.second->name,
         fmt::format("the visits of a prompt lie up to {:.0f} s apart and the filter forgets a "
                     "block within {:.0f} s",
                     *gap, kFilterTickSeconds));
  }

  const LegEvidence& leg_;
  FilterProtocol declared_;
  Visits visits_;
  Findings out_;
};

}  // namespace

std::string_view FilterProtocolName(FilterProtocol protocol) {
  return protocol == FilterProtocol::kProduction ? "production" : "mechanism";
}

std::optional<FilterProtocol> FindFilterProtocol(std::string_view name) {
  for (const auto p : {FilterProtocol::kMechanism, FilterProtocol::kProduction}) {
    if (FilterProtocolName(p) == name) return p;
  }
  return std::nullopt;
}

std::string_view FilterProtocolText(FilterProtocol protocol) {
  return protocol == FilterProtocol::kProduction ? "production mode (filter on, three visits)"
                                                 : "mechanism mode (disk-offload filter off)";
}

FilterVisits CountVisits(const LegEvidence& leg, FilterProtocol declared) {
  const Visits visits = VisitsOf(leg);
  FilterVisits v;
  v.run_id = leg.run_id;
  v.filter_on = leg.worker.disk_offload_filter;
  v.written_first = Written(leg, visits.first);
  v.written_second = Written(leg, visits.second);
  v.written_pressure = WrittenUnderPressure(leg, visits);
  v.read_last = ReadBack(leg, visits.last);
  v.visit_gap_s = GapOf(leg, visits);
  v.proven = !leg.phases.empty() && Passes(CheckFilterProtocol(leg, declared));
  return v;
}

Findings CheckFilterProtocol(const LegEvidence& leg, FilterProtocol declared) {
  return Check(leg, declared).Run();
}

std::string FilterVerdict::Sentence() const {
  if (!protocol) return "";
  const std::string text(FilterProtocolText(*protocol));
  return legs.empty() || proven ? text : text + ", NOT PROVEN by the counters";
}

FilterVerdict JudgeFilterProtocol(const std::vector<const LegEvidence*>& legs,
                                  std::optional<FilterProtocol> declared) {
  FilterVerdict v;
  v.protocol = declared;
  if (!declared) return v;
  for (const LegEvidence* leg : legs) {
    if (HasDiskTier(leg->tier)) v.legs.push_back(CountVisits(*leg, *declared));
  }
  v.proven = !v.legs.empty() && std::all_of(v.legs.begin(), v.legs.end(),
                                            [](const FilterVisits& f) { return f.proven; });
  return v;
}

void to_json(nlohmann::json& j, const FilterVerdict& v) {
  j = {{"mode", v.protocol ? nlohmann::json(FilterProtocolName(*v.protocol)) : nlohmann::json()},
       {"sentence", v.Sentence()},
       {"proven", v.proven},
       {"legs", nlohmann::json::array()}};
  for (const FilterVisits& f : v.legs) {
    j["legs"].push_back({{"run_id", f.run_id},
                         {"filter_on", f.filter_on},
                         {"written_visit_1_blocks", f.written_first},
                         {"written_visit_2_blocks", f.written_second},
                         {"written_pressure_blocks", f.written_pressure},
                         {"read_last_visit_blocks", f.read_last},
                         {"visit_gap_s", f.visit_gap_s},
                         {"proven", f.proven}});
  }
}

void from_json(const nlohmann::json& j, FilterVerdict& v) {
  v = {};
  if (const auto mode = OptionalAt<std::string>(j, "mode")) {
    v.protocol = FindFilterProtocol(*mode);
    if (!v.protocol) throw DataError("the key \"mode\" holds neither mechanism nor production");
  }
  v.proven = At<bool>(j, "proven");
  for (const auto& leg : At(j, "legs")) {
    v.legs.push_back({.run_id = At<std::string>(leg, "run_id"),
                      .filter_on = At<Reading<bool>>(leg, "filter_on"),
                      .written_first = At<Blocks>(leg, "written_visit_1_blocks"),
                      .written_second = At<Blocks>(leg, "written_visit_2_blocks"),
                      .written_pressure = At<Blocks>(leg, "written_pressure_blocks"),
                      .read_last = At<Blocks>(leg, "read_last_visit_blocks"),
                      .visit_gap_s = At<Reading<double>>(leg, "visit_gap_s"),
                      .proven = At<bool>(leg, "proven")});
  }
}

FilterWindow EstimateFilterWindow(double stack_age_s, double between_s, double until_end_s) {
  FilterWindow w;
  if (between_s > kFilterTickSeconds) {
    w.fit = FilterWindow::Fit::kMisses;
    w.sentence = fmt::format(
        "production mode cannot work in this shape: about {:.0f} s would lie between the two "
        "visits of a prompt and the filter forgets a block within {:.0f} s; lower "
        "scenario.populate_sessions or scenario.thrash_sessions, or raise their concurrency",
        between_s, kFilterTickSeconds);
  } else if (stack_age_s + until_end_s > kFilterTickSeconds) {
    w.fit = FilterWindow::Fit::kMayMiss;
    w.sentence = fmt::format(
        "the second visits would end about {:.0f} s after the start of the worker, so a tick of "
        "the filter (every {:.0f} s) may fall between the visits, and the counters will say "
        "whether one did",
        stack_age_s + until_end_s, kFilterTickSeconds);
  }
  return w;
}

}  // namespace kvtier
