// Coding agents, by the published four-layer model of AIPerf's agentic trace (Apache-2.0): a system
// prompt that all share, one a group, one a session, and what each turn adds. Shapes are of a
// 200,000 token window and scale with it.
#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "harness/stats/quantile.hpp"
#include "workloads/traces/draws.hpp"
#include "workloads/traces/session_blocks.hpp"
#include "workloads/traces/trace_recipe.hpp"
#include "workloads/traces/trace_shape.hpp"

namespace kvtier {
namespace {

constexpr std::size_t kAgentSessions = 1'131;
constexpr double kWindow = 200'000;  // tokens that the rest is about
constexpr double kAllShare = 32'000, kGroupShares = 10'000;
constexpr std::size_t kGroups = 100;
constexpr double kGroupSkew = 0.6;
constexpr double kOwnMu = 8.517, kOwnSigma = 1.482, kOwnMost = 50'000;  // mean 15,000 uncapped
constexpr double kGrowthMu = 8.294, kGrowthSigma = 0.901;               // mean 6,000, median 4,000
constexpr double kAnswerMu = 6.685, kAnswerSigma = 0.668;               // mean 1,000, median 800
// Tools answer within seconds, people within half a minute.
constexpr double kToolShare = 0.7, kToolMedianS = 2, kToolSigma = 1.354;  // mean 5 s
constexpr double kHumanMedianS = 15, kHumanSigma = 1.177;                 // mean 30 s
constexpr double kSessionGapS = 10;
constexpr double kRestart = 0.3;

class Agents {
 public:
  explicit Agents(const TraceRecipe& recipe)
      : scale_(static_cast<double>(recipe.context_tokens) / kWindow),
        window_(recipe.context_tokens),
        block_(recipe.block_tokens),
        rng_(Rng::Stream(recipe.seed, "agentic_code")),
        groups_(kGroups, kGroupSkew) {}

  /// `wanted` requests, or `sessions` sessions where it is 0, in the order of their times.
  std::vector<TraceRequest> Make(std::size_t wanted, std::size_t sessions) {
    std::vector<TraceRequest> out;
    double begin_ms = 0;
    std::optional<std::size_t> restarted;  // group of a session that began anew
    for (std::size_t s = 0; wanted == 0 ? s < sessions : out.size() < 2 * wanted; ++s) {
      restarted = Session(s, begin_ms, restarted, out);
      begin_ms += 1000 * Exponential(rng_, kSessionGapS);
    }
    std::stable_sort(out.begin(), out.end(),
                     [](const auto& a, const auto& b) { return a.timestamp_ms < b.timestamp_ms; });
    if (wanted > 0) out.resize(wanted);
    return out;
  }

  const std::vector<double>& first_inputs() const { return first_inputs_; }

 private:
  double Scaled(double tokens) const { return std::max(1.0, std::round(tokens * scale_)); }

  /// Returns the group when the same user begins again.
  std::optional<std::size_t> Session(std::size_t index, double begin_ms,
                                     std::optional<std::size_t> group,
                                     std::vector<TraceRequest>& out) {
    const std::size_t g = group ? *group : groups_.Draw(rng_);
    TraceRequest r;
    r.session_id = fmt::format("agent-{:05}", index);
    SessionBlocks session(r.session_id, block_);
    r.tenant = fmt::format("group-{:02}", g);
    r.block_tokens = block_;
    r.timestamp_ms = std::round(begin_ms);
    First(g, r);
    first_inputs_.push_back(static_cast<double>(r.input_length));
    session.Begin(r);
    out.push_back(r);
    for (;;) {
      const double used = static_cast<double>(r.input_length) / static_cast<double>(window_);
      if (rng_.Uniform() < 0.05 * (1 + 0.5 * used))
        return rng_.Uniform() < kRestart ? std::optional(g) : std::nullopt;
      r.delay_ms = std::round(1000 * Delay());
      r.timestamp_ms += *r.delay_ms;
      r.input_length = std::llround(Scaled(LogNormal(rng_, kGrowthMu, kGrowthSigma)));
      r.output_length = Answer();
      if (session.context_tokens() + r.input_length + r.output_length > window_)
        return std::nullopt;
      session.Continue(r);
      out.push_back(r);
    }
  }

  /// Shared layers end on whole blocks: their ids stand for the layer and the place in it.
  void First(std::size_t group, TraceRequest& r) {
    const double own = std::min(LogNormal(rng_, kOwnMu, kOwnSigma), kOwnMost);
    const auto all = static_cast<std::int64_t>(Scaled(kAllShare)) / block_;
    const auto of_group = static_cast<std::int64_t>(Scaled(kGroupShares)) / block_;
    r.input_length = (all + of_group) * block_ + std::llround(Scaled(own));
    r.output_length = Answer();
    for (std::int64_t i = 0; i < all; ++i) r.hash_ids.push_back(static_cast<std::uint64_t>(i));
    for (std::int64_t i = 0; i < of_group; ++i)
      r.hash_ids.push_back(kLayer + group * kLayer + static_cast<std::uint64_t>(i));
    while (static_cast<std::int64_t>(r.hash_ids.size()) * block_ < r.input_length)
      r.hash_ids.push_back((kGroups + 2) * kLayer + own_ids_++);
  }

  std::int64_t Answer() { return std::llround(Scaled(LogNormal(rng_, kAnswerMu, kAnswerSigma))); }
  double Delay() {
    return rng_.Uniform() < kToolShare ? LogNormal(rng_, std::log(kToolMedianS), kToolSigma)
                                       : LogNormal(rng_, std::log(kHumanMedianS), kHumanSigma);
  }

  static constexpr std::uint64_t kLayer = 10'000'000;  // more blocks than a layer has
  double scale_;
  std::int64_t window_;
  int block_;
  Rng rng_;
  Zipf groups_;
  std::uint64_t own_ids_ = 0;
  std::vector<double> first_inputs_;
};

}  // namespace

MadeTrace MakeAgenticCode(const TraceRecipe& recipe) {
  MadeTrace made;
  made.sessions = true;
  Agents agents(recipe);
  made.requests = agents.Make(recipe.requests, kAgentSessions);
  made.parameters = {{"requests", made.requests.size()}, {"context_tokens", recipe.context_tokens}};
  const double scale = static_cast<double>(recipe.context_tokens) / kWindow;
  std::vector<double> answers, delays, first = agents.first_inputs();
  for (const TraceRequest& r : made.requests) {
    answers.push_back(static_cast<double>(r.output_length));
    if (r.delay_ms) delays.push_back(*r.delay_ms / 1000);
  }
  const auto median = [](std::vector<double> v) {
    std::sort(v.begin(), v.end());
    return v.empty() ? 0 : SortedQuantile(v, 0.5);
  };
  // Shared layers end on whole blocks, so that a small window loses part of them.
  const auto whole = [&](double tokens) {
    return std::floor(std::max(1.0, std::round(tokens * scale)) / recipe.block_tokens) *
           recipe.block_tokens;
  };
  const double cut = (kAllShare + kGroupShares) * scale - whole(kAllShare) - whole(kGroupShares);
  made.quality = {{"initial_context_p50", 47'263 * scale - cut, median(std::move(first)), 0.06},
                  {"output_length_p50", 786 * scale, median(std::move(answers)), 0.08},
                  {"delay_p50_s", 3.58, median(std::move(delays)), 0.15}};
  if (recipe.requests == 0) {  // sessions are whole
    const TraceShape shape = ShapeOf(made.requests);
    made.quality.push_back({"turns_mean", 11.6, shape.turns_mean, 0.12});
    made.quality.push_back({"turns_p95", 25, shape.turns_p95, 0.15});
  }
  return made;
}

}  // namespace kvtier
