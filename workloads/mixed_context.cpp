#include "workloads/mixed_context.hpp"

#include <array>
#include <vector>

#include <fmt/format.h>

#include "workloads/prompt_maker.hpp"
#include "workloads/prompt_parts.hpp"

namespace kvtier {
namespace {

struct NamedBucket {
  const char* name;
  const ContextBucket& bucket;
};

using Buckets = std::array<NamedBucket, 3>;

const NamedBucket& DrawBucket(const Buckets& buckets, Rng& rng) {
  std::uint64_t total = 0;
  for (const auto& each : buckets) total += static_cast<std::uint64_t>(each.bucket.weight);
  std::uint64_t ticket = rng.Below(total);
  for (const auto& each : buckets) {
    const auto weight = static_cast<std::uint64_t>(each.bucket.weight);
    if (ticket < weight) return each;
    ticket -= weight;
  }
  return buckets.back();
}

/// Three to seven requests arrive at one moment; the pause before the next burst is drawn in
/// thousandths.
void ArriveInBursts(std::vector<PlannedRequest>& requests, std::int64_t pause_ns, Rng& rng) {
  std::int64_t now = 0;
  std::uint64_t left = 0;
  for (std::size_t i = 0; i < requests.size(); ++i, --left) {
    if (left == 0) {
      left = 3 + rng.Below(5);
      if (i > 0) now += pause_ns / 1000 * static_cast<std::int64_t>(500 + rng.Below(1001));
    }
    requests[i].arrival_offset_ns = now;
  }
}

}  // namespace

Plan BuildMixedContextPlan(const MixedContextOptions& o) {
  RequireInRange("requests", o.requests, 1, 99'999);
  RequireInRange("burst_pause_ns", o.burst_pause_ns, 1'000'000, 3'600'000'000'000);
  const Buckets buckets{
      NamedBucket{"short", o.short_bucket}, {"medium", o.medium_bucket}, {"long", o.long_bucket}};
  int weights = 0;
  for (const auto& [name, bucket] : buckets) {
    RequireInRange(fmt::format("weight of the {} bucket", name), bucket.weight, 0, 1'000'000);
    RequireInRange(fmt::format("size of the {} bucket (its lower end)", name), bucket.sizes.low,
                   192, 1'000'000);
    RequireInRange(fmt::format("size of the {} bucket (its upper end)", name), bucket.sizes.high,
                   bucket.sizes.low, 1'000'000);
    weights += bucket.weight;
  }
  RequireInRange("sum of the weights", weights, 1, 3'000'000);
  const PromptMaker maker(o, "mixed_context");
  Rng rng = maker.Stream("prompts");
  std::vector<PlannedRequest> requests;
  for (int i = 0; i < o.requests; ++i) {
    const NamedBucket& drawn = DrawBucket(buckets, rng);
    const auto& [low, high] = drawn.bucket.sizes;
    const int tokens =
        low + static_cast<int>(rng.Below(static_cast<std::uint64_t>(high - low) + 1));
    const std::string id = fmt::format("mixed-{:05d}", i);
    PlannedRequest r = maker.Unique({.tag = fmt::format("x{:05d}", i + 1),
                                     .intro = "a document that no other prompt shares\n",
                                     .topic = {},
                                     .doc_id = id},
                                    tokens, rng);
    r.prompt_id = maker.Id(id);
    r.prompt_set = "mixed_context";
    r.metadata.phase_intent = drawn.name;
    requests.push_back(std::move(r));
  }
  if (o.bursty) {
    Rng arrivals = maker.Stream("arrivals");
    ArriveInBursts(requests, o.burst_pause_ns, arrivals);
  }
  Plan plan;
  plan.scenario = "mixed_context";
  plan.phases.push_back(ClosedPhase("main", o.concurrency, std::move(requests)));
  return plan;
}

}  // namespace kvtier
