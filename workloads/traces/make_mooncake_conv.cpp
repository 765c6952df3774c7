// The statistics of the released conversation trace of Mooncake (FAST '25, Apache-2.0): 12,031
// requests in batches every 3 s, one block that begins every prompt, conversations that return.
#include <algorithm>
#include <cmath>
#include <functional>
#include <queue>

#include "workloads/traces/draws.hpp"
#include "workloads/traces/trace_recipe.hpp"
#include "workloads/traces/trace_shape.hpp"

namespace kvtier {
namespace {

constexpr std::size_t kMooncakeRequests = 12'031;
constexpr double kBatchMs = 3000, kBatchMean = 10.2;
constexpr QuantileTable kMooncakeInput{
    {891, 894, 901, 964, 2306.5, 6909, 15'367, 27'367, 39'550.5, 85'400.4, 121'300.9, 126'195}};
constexpr QuantileTable kMooncakeOutput{
    {1, 3, 10, 24, 156.5, 350, 472, 597, 698, 1118.5, 2000, 2000}};
// Fitted to the shares of hit blocks and of blocks used once: who came back once comes back again
// more often than a newcomer does.
constexpr double kComesBack = 0.32, kComesBackAgain = 0.64;
constexpr double kGapMedianS = 145, kGapSigma = 1.1;

struct Return {
  double due_ms = 0;
  std::uint64_t order = 0;  // ties are served in the order they were planned
  std::int64_t context = 0, input = 0;
  std::vector<std::uint64_t> ids;
  bool operator>(const Return& o) const {
    return due_ms != o.due_ms ? due_ms > o.due_ms : order > o.order;
  }
};
using Returns = std::priority_queue<Return, std::vector<Return>, std::greater<>>;

class Conversations {
 public:
  explicit Conversations(const TraceRecipe& recipe)
      : block_(recipe.block_tokens),
        lengths_(Rng::Stream(recipe.seed, "mooncake_conv/lengths")),
        batches_(Rng::Stream(recipe.seed, "mooncake_conv/batches")),
        returns_(Rng::Stream(recipe.seed, "mooncake_conv/returns")) {}

  std::vector<TraceRequest> Make(std::size_t wanted) {
    std::vector<TraceRequest> out;
    for (double now = 0; out.size() < wanted; now += kBatchMs) {
      const auto n = std::min<std::size_t>(Poisson(batches_, kBatchMean), wanted - out.size());
      for (TraceRequest& r : Batch(now, n)) out.push_back(std::move(r));
    }
    return out;
  }

 private:
  /// Lengths are drawn first, so that they are distributed as they should be; conversations that
  /// are due, the longest first, take the least length that holds what they have said so far.
  std::vector<TraceRequest> Batch(double now, std::size_t n) {
    std::vector<std::int64_t> inputs;
    for (std::size_t i = 0; i < n; ++i)
      inputs.push_back(std::llround(kMooncakeInput.Draw(lengths_)));
    std::sort(inputs.begin(), inputs.end());
    std::vector<Return> ready;
    while (!due_.empty() && due_.top().due_ms <= now && ready.size() < n) {
      ready.push_back(due_.top());
      due_.pop();
    }
    std::stable_sort(ready.begin(), ready.end(),
                     [](const auto& a, const auto& b) { return a.context > b.context; });
    std::vector<const Return*> history(n, nullptr);
    for (const Return& r : ready) {
      std::size_t at = n;
      for (std::size_t i = 0; i < n; ++i) {
        if (history[i] != nullptr) continue;
        at = i;
        if (inputs[i] >= r.context) break;
      }
      history[at] = &r;
    }
    std::vector<std::size_t> order(n);
    for (std::size_t i = 0; i < n; ++i) order[i] = i;
    batches_.Shuffle(order);
    std::vector<TraceRequest> batch;
    for (const std::size_t i : order) batch.push_back(One(now, inputs[i], history[i]));
    return batch;
  }

  TraceRequest One(double now, std::int64_t input, const Return* history) {
    TraceRequest r;
    r.timestamp_ms = now;
    r.input_length = input;
    r.output_length = std::llround(kMooncakeOutput.Draw(lengths_));
    r.block_tokens = block_;
    if (history != nullptr) {
      // Complete blocks that both have; of a history longer than the prompt its beginning.
      const auto complete = static_cast<std::size_t>(std::min(input, history->input) / block_);
      r.hash_ids.assign(history->ids.begin(),
                        history->ids.begin() +
                            static_cast<std::ptrdiff_t>(std::min(complete, history->ids.size())));
    }
    if (r.hash_ids.empty()) r.hash_ids.push_back(0);
    const auto started = static_cast<std::size_t>((input + block_ - 1) / block_);
    while (r.hash_ids.size() < started) r.hash_ids.push_back(next_id_++);
    if (returns_.Uniform() < (history != nullptr ? kComesBackAgain : kComesBack)) {
      const double gap_ms = 1000 * LogNormal(returns_, std::log(kGapMedianS), kGapSigma);
      due_.push({now + gap_ms, planned_++, input + r.output_length, input, r.hash_ids});
    }
    return r;
  }

  int block_;
  Rng lengths_, batches_, returns_;
  Returns due_;
  std::uint64_t next_id_ = 1, planned_ = 0;
};

}  // namespace

MadeTrace MakeMooncakeConv(const TraceRecipe& recipe) {
  MadeTrace made;
  const std::size_t n = recipe.requests == 0 ? kMooncakeRequests : recipe.requests;
  made.requests = Conversations(recipe).Make(n);
  made.parameters = {{"requests", n}};
  const TraceStatistics s = DescribeTrace(made.requests);
  const TraceShape shape = ShapeOf(made.requests);
  const double batches = s.duration_s * 1000 / kBatchMs + 1;
  made.quality = {
      {"requests_per_s", 3.40, static_cast<double>(n) / (batches * kBatchMs / 1000), 0.05},
      {"input_length_p50", 6909, s.input.p50, 0.08},
      {"input_length_p90", 27'367, s.input.p90, 0.08},
      {"input_length_mean", 12'035, s.input.mean, 0.08},
      {"output_length_p50", 350, s.output.p50, 0.08},
      {"output_length_p90", 597, s.output.p90, 0.08},
      {"ideal_hit_share", 0.366, s.ideal_hit_share, 0.10},
      {"requests_with_reuse_share", 0.387, shape.requests_with_reuse, 0.10},
      {"used_once_share", 0.758, shape.used_once_share, 0.05},
      {"reuse_gap_p50_s", 135, shape.reuse_gap_p50_s, 0.20},
      {"reuse_gap_p90_s", 531, shape.reuse_gap_p90_s, 0.20}};
  return made;
}

}  // namespace kvtier
