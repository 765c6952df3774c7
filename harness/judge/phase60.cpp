#include "harness/judge/phase60.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/core/error.hpp"
#include "harness/core/rng.hpp"
#include "harness/stats/quantile.hpp"

namespace kvtier {
namespace {

constexpr std::array<std::pair<SweepStatus, std::string_view>, 9> kStatusNames{
    {{SweepStatus::kPartial, "partial"},
     {SweepStatus::kOk, "ok"},
     {SweepStatus::kBaselinePreflight, "baseline_preflight"},
     {SweepStatus::kInvalidTtfc, "invalid_ttfc"},
     {SweepStatus::kInvalidIoAttrib, "invalid_io_attrib"},
     {SweepStatus::kInvalidPreflight, "invalid_preflight"},
     {SweepStatus::kInvalidFull, "invalid_full"},
     {SweepStatus::kInvalidManifestHash, "invalid_manifest_hash"},
     {SweepStatus::kDebugOnly, "debug_only"}}};

/// How much a sequence of concurrencies rises or falls with time; 0 is best.
double Trend(const std::vector<int>& sequence) {
  std::vector<int> ascending = sequence;
  std::sort(ascending.begin(), ascending.end());
  const double middle = (static_cast<double>(sequence.size()) - 1) / 2;
  double sum = 0;
  for (std::size_t i = 0; i < sequence.size(); ++i) {
    const auto rank = std::find(ascending.begin(), ascending.end(), sequence[i]);
    sum += (static_cast<double>(i) - middle) *
           (static_cast<double>(rank - ascending.begin()) - middle);
  }
  return std::abs(sum);
}

std::vector<int> SpreadInTime(std::vector<int> concurrencies, Rng& rng) {
  constexpr int kShuffles = 32;
  std::vector<int> best;
  for (int i = 0; i < kShuffles; ++i) {
    rng.Shuffle(concurrencies);
    if (best.empty() || Trend(concurrencies) < Trend(best)) best = concurrencies;
  }
  return best;
}

/// One order of the modes for each of `n` concurrencies: the rows of cyclic Latin squares, every
/// second square mirrored, so that no mode always follows the same other one.
std::vector<std::vector<TierMode>> ModeOrders(std::vector<TierMode> modes, std::size_t n,
                                              Rng& rng) {
  std::vector<std::vector<TierMode>> orders;
  rng.Shuffle(modes);
  while (orders.size() < n) {
    std::vector<std::vector<TierMode>> square;
    for (std::size_t i = 0; i < modes.size(); ++i) {
      square.push_back(modes);
      std::rotate(modes.begin(), modes.begin() + 1, modes.end());
    }
    rng.Shuffle(square);
    orders.insert(orders.end(), square.begin(), square.end());
    std::reverse(modes.begin(), modes.end());
  }
  orders.resize(n);
  return orders;
}

const Phase60Row* BaselineRow(const Phase60Summary& s) {
  for (const Phase60Row& row : s.rows) {
    if (row.status == SweepStatus::kBaselinePreflight) return &row;
  }
  // Documented: a sweep that has none takes its own first B2 point of that concurrency.
  for (const Phase60Row& row : s.rows) {
    if (row.status == SweepStatus::kOk && row.place.mode == TierMode::kB2 &&
        row.place.concurrency == s.setup.baseline_concurrency)
      return &row;
  }
  return nullptr;
}

bool Resolvable(std::size_t n) {
  return n >= MinSamplesForQuantile(0.95);
}

/// Which row counts for a mode's maximum: one that could be decided.
void TakeMaxima(const Phase60Summary& s, std::optional<bool> Phase60Row::*pass, SweepSlo& slo) {
  for (const TierMode mode : kAllTierModes) {
    std::map<int, bool> met;  // by concurrency, ascending
    for (const Phase60Row& row : s.rows) {
      if (row.status == SweepStatus::kOk && row.place.mode == mode && row.*pass)
        met[row.place.concurrency] = *(row.*pass);
    }
    auto& best = slo.max_concurrency[std::string(TierName(mode))];
    auto& contiguous = slo.max_contiguous[std::string(TierName(mode))];
    best = contiguous = std::nullopt;
    bool unbroken = true;
    for (const auto& [concurrency, holds] : met) {
      if (!best) best = contiguous = 0;
      unbroken = unbroken && holds;
      if (holds) best = concurrency;
      if (unbroken) contiguous = concurrency;
    }
  }
}

std::optional<bool> Meets(const Phase60Row& row, const std::optional<double>& value, std::size_t n,
                          const SweepSlo& slo) {
  if (!value || !slo.limit_ms || !row.error_rate || !Resolvable(n)) return std::nullopt;
  return *value <= *slo.limit_ms && *row.error_rate <= 0;
}

/// The sample behind the metric that a row uses for its first text.
std::size_t UsedSample(const Phase60Row& row) {
  return row.replay_ttfc.p95 ? row.replay_ttfc.n : row.replay_ttft.n;
}

void WarnOfSmallSamples(Phase60Summary& s, const Phase60Row& baseline, const std::string& now_utc) {
  std::vector<std::string> small;
  for (const Phase60Row& row : s.rows) {
    const bool decides = row.status == SweepStatus::kOk || &row == &baseline;
    if (decides && !Resolvable(std::min(row.replay_latency.n, UsedSample(row)))) {
      small.push_back(fmt::format("{} (n={})", row.point_key, row.replay_latency.n));
    }
  }
  if (small.empty()) return;
  s.warnings.push_back(
      {.timestamp_utc = now_utc,
       .code = std::string(Code(Reason::kQuantileNotResolvable)),
       .detail = fmt::format(
           "a p95 needs {} samples, so these points meet no objective and miss none: {}; replay "
           "more sessions",
           MinSamplesForQuantile(0.95), fmt::join(small, ", ")),
       .at = baseline.place});
}

}  // namespace

std::string SweepPlace::Key() const {
  return fmt::format("{}_c{}", TierName(mode), concurrency);
}

std::optional<SweepPlace> FindSweepPlace(std::string_view key) {
  if (key.size() < 5 || std::toupper(static_cast<unsigned char>(key[0])) != 'B' || key[1] < '0' ||
      key[1] > '2' || key[2] != '_' || std::toupper(static_cast<unsigned char>(key[3])) != 'C') {
    return std::nullopt;
  }
  SweepPlace place;
  place.mode = kAllTierModes[static_cast<std::size_t>(key[1] - '0')];
  const char* const last = key.data() + key.size();
  const auto [end, error] = std::from_chars(key.data() + 4, last, place.concurrency);
  if (error != std::errc() || end != last || place.concurrency < 1) return std::nullopt;
  return place;
}

std::string_view SweepOrderName(SweepOrder order) {
  return order == SweepOrder::kFixed ? "fixed" : "counterbalanced";
}

std::optional<SweepOrder> FindSweepOrder(std::string_view name) {
  for (const SweepOrder order : {SweepOrder::kCounterbalanced, SweepOrder::kFixed}) {
    if (SweepOrderName(order) == name) return order;
  }
  return std::nullopt;
}

std::vector<SweepPlace> PlanSweep(const std::vector<int>& concurrencies, bool include_b0,
                                  SweepOrder order, std::uint64_t seed) {
  std::vector<TierMode> modes{TierMode::kB2, TierMode::kB1};
  if (include_b0) modes.push_back(TierMode::kB0);
  std::vector<int> sequence = concurrencies;
  std::vector<std::vector<TierMode>> orders(sequence.size(), modes);
  if (order == SweepOrder::kCounterbalanced) {
    Rng rng = Rng::Stream(seed, "sweep order");
    sequence = SpreadInTime(sequence, rng);
    orders = ModeOrders(modes, sequence.size(), rng);
  }
  std::vector<SweepPlace> plan;
  for (std::size_t i = 0; i < sequence.size(); ++i) {
    for (const TierMode mode : orders[i]) plan.push_back({mode, sequence[i]});
  }
  return plan;
}

std::string_view SweepStatusName(SweepStatus status) {
  for (const auto& [value, name] : kStatusNames) {
    if (value == status) return name;
  }
  return "";
}

SweepStatus ParseSweepStatus(const std::string& name) {
  for (const auto& [value, known] : kStatusNames) {
    if (known == name) return value;
  }
  throw DataError(
      fmt::format("the key \"status\" holds \"{}\", which is no status of a sweep row", name));
}

std::string_view PointKindName(PointKind kind) {
  switch (kind) {
    case PointKind::kBaseline:
      return "baseline_preflight";
    case PointKind::kDebug:
      return "debug_filter_disabled";
    case PointKind::kSweep:
      break;
  }
  return "sweep_point";
}

std::string PointSpec::Key() const {
  if (kind == PointKind::kBaseline) return "baseline_preflight_" + place.Key();
  return kind == PointKind::kDebug ? "debug_" + place.Key() : place.Key();
}

const Phase60Row* Phase60Summary::Find(const std::string& point_key) const {
  for (const Phase60Row& row : rows) {
    if (row.point_key == point_key) return &row;
  }
  return nullptr;
}

void Phase60Summary::Upsert(Phase60Row row) {
  const auto at = std::find_if(rows.begin(), rows.end(), [&](const Phase60Row& other) {
    return other.point_key == row.point_key;
  });
  if (at == rows.end())
    rows.push_back(std::move(row));
  else
    *at = std::move(row);
}

int Phase60Summary::ExitCode() const {
  const bool measured = std::any_of(rows.begin(), rows.end(), [](const Phase60Row& row) {
    return row.status != SweepStatus::kPartial;
  });
  if (!measured) return 2;
  return status == "completed" && decision_grade.value_or(false) ? 0 : 1;
}

void ReopenSweep(Phase60Summary& s, const std::string& now_utc) {
  if (!s.rows.empty() || s.stop) s.resumed_utc = now_utc;
  s.status = "running";
  s.decision_grade.reset();
  s.stop.reset();
}

void TakeBaseline(Phase60Summary& s, const Phase60Row& baseline) {
  const auto take = [](SweepSlo& slo, std::string metric, const std::optional<double>& p95) {
    slo.metric = std::move(metric);
    slo.baseline_ms = p95;
    slo.limit_ms = p95 ? std::optional(*p95 * kPhase60SloFactor) : std::nullopt;
  };
  take(s.latency, "replay_latency_p95_ms", baseline.replay_latency.p95);
  take(s.first_text, baseline.UsedReplayP95(), baseline.ReplayMetricP95());
}

void StopSweep(Phase60Summary& s, SweepStop stop) {
  s.status = "stopped";
  s.decision_grade = false;
  s.stop = std::move(stop);
}

void CompleteSweep(Phase60Summary& s, const std::string& now_utc) {
  const Phase60Row* baseline = BaselineRow(s);
  if (baseline == nullptr) {
    StopSweep(s, {.reason = "baseline_missing",
                  .detail = fmt::format("no baseline and no ok B2 point at concurrency {}",
                                        s.setup.baseline_concurrency),
                  .at = {TierMode::kB2, s.setup.baseline_concurrency}});
    return;
  }
  TakeBaseline(s, *baseline);
  std::erase_if(s.warnings, [](const SweepWarning& w) {
    return w.code == Code(Reason::kQuantileNotResolvable);  // said anew, of what is there now
  });
  const bool resolved = Resolvable(baseline->replay_latency.n);
  const bool text_resolved = Resolvable(UsedSample(*baseline));
  for (Phase60Row& row : s.rows) {
    row.pass_slo = row.pass_slo_ttfc = std::nullopt;
    if (row.status != SweepStatus::kOk) continue;
    if (resolved)
      row.pass_slo = Meets(row, row.replay_latency.p95, row.replay_latency.n, s.latency);
    // A fallback is never compared with a figure of the other kind.
    if (text_resolved && row.UsedReplayP95() == s.first_text.metric)
      row.pass_slo_ttfc = Meets(row, row.ReplayMetricP95(), UsedSample(row), s.first_text);
  }
  TakeMaxima(s, &Phase60Row::pass_slo, s.latency);
  TakeMaxima(s, &Phase60Row::pass_slo_ttfc, s.first_text);
  WarnOfSmallSamples(s, *baseline, now_utc);
  s.status = "completed";
  s.stop.reset();
  s.decision_grade =
      std::all_of(s.warnings.begin(), s.warnings.end(), [](const SweepWarning& warning) {
        return warning.code == Code(Reason::kBaselineManifestHashAccepted);
      });
}

std::string UsedMetric(const Phase60Summary& s) {
  if (s.status != "completed") return "pending";
  std::set<std::string> used;
  for (const Phase60Row& row : s.rows) {
    if (row.status == SweepStatus::kOk) used.insert(row.UsedReplayP95());
  }
  if (used.empty()) return "missing";
  return used.size() == 1 ? *used.begin() : "mixed";
}

}  // namespace kvtier
