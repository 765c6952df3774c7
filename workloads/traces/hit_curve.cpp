#include "workloads/traces/hit_curve.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kvtier {
namespace {

constexpr BlockId kListEnd = std::numeric_limits<BlockId>::max();      // end of the list
constexpr BlockId kNotHeld = std::numeric_limits<BlockId>::max() - 1;  // not in the list
constexpr double kTickSeconds = 600;
constexpr std::uint32_t kHighestCount = 1U << 20;  // 20 years of ticks
constexpr int kFilteredPoints = 8;
constexpr std::uint64_t kLeastFiltered = 1024;  // where there is no faster tier

}  // namespace

void OffloadFilter::Advance(std::uint32_t to) {
  now_ = to;
  while (!living_.empty() && living_.begin()->first <= now_) {
    size_ -= living_.begin()->second;
    living_.erase(living_.begin());
  }
}

bool OffloadFilter::Accept(BlockId block, double time_s) {
  if (!start_s_) start_s_ = time_s;
  const auto ticks = static_cast<std::uint64_t>((time_s - *start_s_) / kTickSeconds);
  if (ticks > ticks_) {
    Advance(now_ + static_cast<std::uint32_t>(ticks - ticks_));
    ticks_ = ticks;
  }
  if (block >= ends_.size()) ends_.resize(std::size_t{block} + 1, 0);
  const std::uint32_t before = ends_[block] > now_ ? ends_[block] - now_ : 0;
  const std::uint32_t count = before == 0 ? 1 : std::min(before * 2, kHighestCount);
  if (before == 0) {
    ++size_;
  } else if (const auto old = living_.find(ends_[block]); --old->second == 0) {
    living_.erase(old);
  }
  ends_[block] = now_ + count;
  ++living_[ends_[block]];
  if (size_ > most_) Advance(living_.begin()->first);
  return count >= 2;
}

bool DiskPass::Holds(BlockId block) const {
  return block < newer_.size() && newer_[block] != kNotHeld;
}

void DiskPass::Unlink(BlockId block) {
  const BlockId newer = newer_[block], older = older_[block];
  (newer == kListEnd ? newest_ : older_[newer]) = older;
  (older == kListEnd ? oldest_ : newer_[older]) = newer;
  newer_[block] = kNotHeld;
  --size_;
}

void DiskPass::PutFirst(BlockId block) {
  newer_[block] = kListEnd;
  older_[block] = newest_;
  (newest_ == kListEnd ? oldest_ : newer_[newest_]) = block;
  newest_ = block;
  ++size_;
}

std::size_t DiskPass::Request(double time_s, std::span<const BlockId> blocks,
                              std::size_t fast_run) {
  if (capacity_ == 0) return 0;
  std::size_t run = fast_run;
  while (run < blocks.size() && Holds(blocks[run])) ++run;
  enter_.clear();
  for (std::size_t i = run; i < blocks.size(); ++i) {
    if (Holds(blocks[i]) || (filtered_ && !filter_.Accept(blocks[i], time_s))) continue;
    enter_.push_back(blocks[i]);
    if (blocks[i] >= newer_.size()) {
      newer_.resize(std::size_t{blocks[i]} + 1, kNotHeld);
      older_.resize(newer_.size(), kListEnd);
    }
  }
  std::size_t entering = enter_.size();
  for (std::size_t i = blocks.size(); i-- > 0;) {
    const BlockId block = blocks[i];
    const bool enters = entering > 0 && enter_[entering - 1] == block;
    if (enters) --entering;
    if (Holds(block)) {
      Unlink(block);
    } else if (enters) {
      ++written_;
    } else {
      continue;
    }
    PutFirst(block);
  }
  while (size_ > capacity_) Unlink(oldest_);  // only now: what was asked for is not the oldest
  hits_ += run - fast_run;
  return run - fast_run;
}

double HitCurve::Share(std::uint64_t hits) const {
  return references == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(references);
}

HitCurveModel::HitCurveModel(const TierPools& stack, bool filtered_points)
    : stack_(stack),
      fast_(std::max(stack.device_blocks, stack.host_blocks)),
      off_(stack.disk_blocks, false),
      on_(stack.disk_blocks, stack.host_blocks > 0) {
  std::uint64_t capacity = fast_ == 0 ? kLeastFiltered : fast_;
  for (int i = 0; filtered_points && i < kFilteredPoints; ++i)
    filtered_.emplace_back(capacity *= 2, stack.host_blocks > 0);
}

void HitCurveModel::Request(double time_s, std::span<const std::uint64_t> identities) {
  blocks_.clear();
  for (const std::uint64_t identity : identities) blocks_.push_back(numbers_.Of(identity));
  ++requests_;
  references_ += blocks_.size();
  const auto depths = distances_.Request(blocks_);
  const auto fast = static_cast<std::size_t>(std::upper_bound(depths.begin(), depths.end(), fast_) -
                                             depths.begin());
  fast_hits_ += fast;
  for (const std::uint32_t depth : depths) {
    if (depth >= by_depth_.size()) by_depth_.resize(std::size_t{depth} + 1, 0);
    ++by_depth_[depth];
  }
  off_.Request(time_s, blocks_, fast);
  on_.Request(time_s, blocks_, fast);
  for (DiskPass& pass : filtered_) pass.Request(time_s, blocks_, fast);
}

HitCurve HitCurveModel::Finish() const {
  HitCurve curve;
  curve.stack = stack_;
  curve.requests = requests_;
  curve.references = references_;
  curve.distinct = numbers_.size();
  std::vector<std::uint64_t> within(by_depth_.size() + 1, 0);  // [i + 1]: hits of capacity i
  for (std::size_t i = 0; i < by_depth_.size(); ++i) within[i + 1] = within[i] + by_depth_[i];
  const auto hits = [&](std::uint64_t capacity) {
    return capacity < by_depth_.size() ? within[capacity + 1] : within.back();
  };
  const std::uint64_t all = std::max<std::uint64_t>(curve.distinct, 1);
  std::map<std::uint64_t, std::optional<std::uint64_t>> capacities{{all, std::nullopt}};
  for (double c = 1; c < static_cast<double>(all); c *= std::sqrt(2.0))
    capacities.emplace(static_cast<std::uint64_t>(std::llround(c)), std::nullopt);
  for (const std::uint64_t c : {stack_.device_blocks, stack_.host_blocks, stack_.disk_blocks})
    if (c > 0 && c < all) capacities.emplace(c, std::nullopt);
  for (const DiskPass& pass : filtered_) {
    // Beyond what is distinct nothing changes any more.
    capacities[std::min(pass.capacity(), all)] = fast_hits_ + pass.hits();
    if (pass.capacity() >= all) break;
  }
  for (const auto& [capacity, filtered] : capacities)
    curve.points.push_back({capacity, hits(capacity), filtered});

  const std::uint64_t g1 = hits(stack_.device_blocks), fast = fast_hits_;
  const auto tiers = [&](std::uint64_t disk, std::uint64_t written) {
    return LruTierHits{.g1 = g1,
                       .g2 = fast - g1,
                       .g3 = disk,
                       .computed = references_ - fast - disk,
                       .written = written};
  };
  curve.filter_off = tiers(std::max(fast, hits(stack_.disk_blocks)) - fast, off_.written());
  curve.filter_on = stack_.host_blocks > 0 ? tiers(on_.hits(), on_.written()) : curve.filter_off;
  return curve;
}

HitCurve CurveOf(const Plan& plan, const TierPools& stack) {
  HitCurveModel model(stack, true);
  double phase_begin = 0, now = 0;
  std::vector<std::uint64_t> identities;
  const BlockStream stream = MakeBlockStream(plan, stack.block_tokens);
  for (std::size_t p = 0; p < plan.phases.size(); ++p) {
    phase_begin = now;
    for (std::size_t i = 0; i < plan.phases[p].requests.size(); ++i) {
      const auto& offset = plan.phases[p].requests[i].arrival_offset_ns;
      if (offset) now = std::max(now, phase_begin + static_cast<double>(*offset) / 1e9);
      const auto& blocks = stream.phases[p].requests[i].blocks;
      identities.assign(blocks.begin(), blocks.end());
      model.Request(now, identities);
    }
  }
  return model.Finish();
}

}  // namespace kvtier
