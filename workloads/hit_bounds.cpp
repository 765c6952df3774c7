#include "workloads/hit_bounds.hpp"

#include <algorithm>

namespace kvtier {

void MomentCounts::Add(std::int64_t moment, std::int64_t by) {
  if (moment < 0) return;
  total_ += by;
  for (auto i = static_cast<std::size_t>(moment) + 1; i < tree_.size(); i += i & (~i + 1))
    tree_[i] += by;
}

std::int64_t MomentCounts::Below(std::int64_t moment) const {
  if (moment <= 0) return 0;
  std::int64_t sum = 0;
  for (auto i = static_cast<std::size_t>(moment); i > 0; i -= i & (~i + 1)) sum += tree_[i];
  return sum;
}

TierFacts::TierFacts(std::uint64_t capacity, std::size_t blocks, std::size_t moments)
    : capacity_(static_cast<std::int64_t>(capacity)),
      must_since_(blocks, -1),
      may_until_(blocks, -1),
      must_counts_(moments),
      may_counts_(moments) {}

void TierFacts::MaybeUse(BlockId block, std::int64_t to) {
  if (to <= may_until_[block]) return;
  may_counts_.Add(may_until_[block], -1);
  may_until_[block] = to;
  may_counts_.Add(to, 1);
}

void TierFacts::SureUse(BlockId block, std::int64_t from, std::int64_t to) {
  MaybeUse(block, to);
  if (from <= must_since_[block]) return;
  must_counts_.Add(must_since_[block], -1);
  must_since_[block] = from;
  must_counts_.Add(from, 1);
}

bool TierFacts::SurelyHeld(BlockId block, std::uint64_t reserve, const MomentCounts& phase,
                           std::int64_t phase_never) const {
  const std::int64_t since = must_since_[block];
  if (since < 0) return false;
  // Others possibly used since then, once each: those seen in earlier phases, and those of this
  // phase not among them.
  const std::int64_t earlier = may_counts_.AtLeast(since) - 1;
  const std::int64_t now = phase.Below(since) + phase_never;
  return earlier + now + static_cast<std::int64_t>(reserve) <= capacity_ - 1;
}

bool TierFacts::SurelyGone(BlockId block) const {
  if (may_until_[block] < 0 || capacity_ == 0) return true;
  return must_counts_.AtLeast(may_until_[block] + 1) >= capacity_;
}

/// Residency of each block of one request, as far as it is known.
struct HitBounds::Lookup {
  std::vector<std::size_t> held1, open1, held2, open2, held3,
      open3;  // length of the run of surely / possibly held blocks from i
  std::vector<bool> in3, not_in3;
};

/// What a request does to the tiers, block by block: in all ways it may go, or in some.
struct HitBounds::Uses {
  std::vector<std::uint32_t> host, disk_match,
      computed;  // number of ways in which block i is so used
  std::uint32_t ways = 0;
  enum class Disk : std::uint8_t { kNone, kMaybe, kSure };
  std::vector<Disk> disk_insert;
  std::vector<bool> asks_maybe, asks_surely;
};

namespace {

std::size_t RequestsOf(const BlockStream& stream) {
  std::size_t n = 0;
  for (const auto& phase : stream.phases) n += phase.requests.size();
  return n;
}

}  // namespace

HitBounds::HitBounds(const BlockStream& stream, const TierPools& pools)
    : pools_(pools),
      g1_(pools.device_blocks, stream.distinct, RequestsOf(stream)),
      g2_(pools.host_blocks, stream.distinct, RequestsOf(stream)),
      g3_(pools.disk_blocks, stream.distinct, RequestsOf(stream)),
      asked_low_(stream.distinct, 0),
      asked_high_(stream.distinct, 0),
      sharers_(stream.distinct, 0),
      phase1_(RequestsOf(stream)),
      phase2_(RequestsOf(stream)),
      phase3_(RequestsOf(stream)) {}

HitBounds::Lookup HitBounds::Look(const RequestBlocks& request) const {
  const auto& blocks = request.blocks;
  const std::size_t n = blocks.size();
  Lookup look;
  for (auto* runs : {&look.held1, &look.open1, &look.held2, &look.open2, &look.held3, &look.open3})
    runs->assign(n + 1, 0);
  look.in3.assign(n, false);
  look.not_in3.assign(n, false);
  for (std::size_t i = n; i-- > 0;) {
    const BlockId b = blocks[i];
    const bool shared = sharers_[b] > 1;  // another request of the phase may have brought it
    const auto extend = [i](std::vector<std::size_t>& runs, bool more) {
      runs[i] = more ? runs[i + 1] + 1 : 0;
    };
    extend(look.held1, g1_.SurelyHeld(b, reserve_, phase1_, never1_));
    extend(look.open1, (shared && pools_.device_blocks > 0) || !g1_.SurelyGone(b));
    extend(look.held2, g2_.SurelyHeld(b, reserve_, phase2_, never2_));
    extend(look.open2, (shared && pools_.host_blocks > 0) || !g2_.SurelyGone(b));
    look.in3[i] = g3_.SurelyHeld(b, reserve_, phase3_, never3_);
    look.not_in3[i] = !(shared && pools_.disk_blocks > 0) && g3_.SurelyGone(b);
    extend(look.held3, look.in3[i]);
    extend(look.open3, !look.not_in3[i]);
  }
  return look;
}

HitBounds::Uses HitBounds::Enumerate(const RequestBlocks& request, const Lookup& look,
                                     ExpectedHits& sums) const {
  const std::size_t n = request.blocks.size();
  Uses uses;
  std::vector<std::int64_t> host(n + 1, 0), match(n + 1, 0),
      computed(n + 1, 0);  // differences, summed up at the end
  struct Span {
    std::size_t low = SIZE_MAX, high = 0;
    void Take(std::size_t v) { low = std::min(low, v), high = std::max(high, v); }
  } r1, r2, r3, rc;
  const auto way = [&](std::size_t g, std::size_t h, std::size_t d) {
    if (request.ends_on_boundary && n > 0 && g + h + d == n) (d > 0 ? d : h) -= 1;
    ++uses.ways;
    const std::size_t hits = g + h + d;
    r1.Take(g), r2.Take(h), r3.Take(d), rc.Take(n - hits);
    ++host[g], --host[g + h];
    ++match[g + h], --match[hits];
    ++computed[hits], --computed[n];
  };
  const std::size_t limit = request.device_match_limit;
  for (std::size_t g = std::min(limit, look.held1[0]); g <= std::min(limit, look.open1[0]); ++g) {
    for (std::size_t h = look.held2[g]; h <= look.open2[g]; ++h) {
      way(g, h, look.held3[g + h]);
      if (look.open3[g + h] != look.held3[g + h]) way(g, h, look.open3[g + h]);
    }
  }
  const auto add = [](ExpectedHits::Range& sum, const Span& one) {
    sum.low += one.low, sum.high += one.high;
  };
  add(sums.g1_blocks, r1), add(sums.g2_blocks, r2), add(sums.g3_blocks, r3),
      add(sums.computed_blocks, rc);
  const auto settle = [n](const std::vector<std::int64_t>& differences,
                          std::vector<std::uint32_t>& ways) {
    std::int64_t sum = 0;
    ways.resize(n);
    for (std::size_t i = 0; i < n; ++i) ways[i] = static_cast<std::uint32_t>(sum += differences[i]);
  };
  settle(host, uses.host), settle(match, uses.disk_match), settle(computed, uses.computed);
  return uses;
}

void HitBounds::PlanDiskUses(const RequestBlocks& request, const Lookup& look, Uses& uses,
                             ExpectedHits& sums) const {
  const std::size_t n = request.blocks.size();
  uses.disk_insert.assign(n, Uses::Disk::kNone);
  uses.asks_maybe.assign(n, false);
  uses.asks_surely.assign(n, false);
  if (pools_.disk_blocks == 0) return;
  // A tier too small for the sequences in flight may refuse a chunk, which then goes no further.
  const bool host_takes_all = pools_.host_blocks == 0 || pools_.host_blocks >= reserve_;
  const bool filter = pools_.disk_offload_filter && pools_.host_blocks > 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (uses.computed[i] == 0 || look.in3[i]) continue;
    const BlockId b = request.blocks[i];
    bool may = true, sure = uses.computed[i] == uses.ways && look.not_in3[i] && host_takes_all;
    if (filter) {
      uses.asks_maybe[i] = true;
      uses.asks_surely[i] = sure;
      const std::uint32_t elsewhere = sharers_[b] > 1 ? sharers_[b] - 1 : 0;
      may = asked_high_[b] + elsewhere >= 1;
      sure = sure && asked_low_[b] >= 1;
    }
    if (!may) continue;
    uses.disk_insert[i] = sure ? Uses::Disk::kSure : Uses::Disk::kMaybe;
    sums.offload_g2_to_g3_blocks.low += sure ? 1 : 0;
    sums.offload_g2_to_g3_blocks.high += 1;
  }
}

void HitBounds::Apply(const RequestBlocks& request, const Uses& uses, std::int64_t from,
                      std::int64_t to) {
  const bool host_takes_all = pools_.host_blocks >= reserve_;
  for (std::size_t i = 0; i < request.blocks.size(); ++i) {
    const BlockId b = request.blocks[i];
    if (pools_.device_blocks > 0)
      g1_.SureUse(b, from, to);  // however it came, it ends up named there
    if (pools_.host_blocks > 0 && uses.host[i] + uses.computed[i] > 0) {
      if (uses.host[i] + uses.computed[i] == uses.ways && host_takes_all) {
        g2_.SureUse(b, from, to);
      } else {
        g2_.MaybeUse(b, to);
      }
    }
    if (uses.disk_match[i] == uses.ways || uses.disk_insert[i] == Uses::Disk::kSure) {
      g3_.SureUse(b, from, to);
    } else if (uses.disk_match[i] > 0 || uses.disk_insert[i] == Uses::Disk::kMaybe) {
      g3_.MaybeUse(b, to);
    }
    if (uses.asks_surely[i]) ++asked_low_[b];
    if (uses.asks_maybe[i]) ++asked_high_[b];
  }
}

// A block that no tier has before the phase and that several of its requests share: one of them
// comes first and computes it, so it is registered, although it is not known by whom. With the
// filter on, a block that was surely registered before and is in neither upper tier is in G3 after
// the phase: it was there already, or is computed now and passes.
void HitBounds::ApplyFirstComers(const PhaseBlocks& phase, std::int64_t from, std::int64_t to,
                                 const std::vector<bool>& not_above,
                                 const std::vector<bool>& absent, ExpectedHits& sums) {
  if (pools_.host_blocks < reserve_) return;
  std::vector<bool> done(sharers_.size(), false);
  for (const auto& request : phase.requests) {
    for (const BlockId b : request.blocks) {
      if (done[b] || sharers_[b] < 2 || !not_above[b]) continue;
      done[b] = true;
      const bool passes = !pools_.disk_offload_filter || asked_low_[b] >= 1;
      if (absent[b]) {
        g2_.SureUse(b, from, to);
        if (pools_.disk_blocks == 0) continue;
        if (pools_.disk_offload_filter) ++asked_low_[b];
        if (!passes) continue;
        g3_.SureUse(b, from, to);
        sums.offload_g2_to_g3_blocks.low += 1;
      } else if (passes && pools_.disk_blocks > 0 && pools_.disk_offload_filter) {
        g3_.SureUse(b, 0, to);  // since when is not known: held only if nothing was ever evicted
      }
    }
  }
}

void HitBounds::WalkInOrder(const PhaseBlocks& phase, ExpectedHits& sums) {
  for (const auto& request : phase.requests) {
    const Lookup look = Look(request);
    Uses uses = Enumerate(request, look, sums);
    PlanDiskUses(request, look, uses, sums);
    Apply(request, uses, moments_, moments_);
    ++moments_;
  }
}

void HitBounds::WalkTogether(const PhaseBlocks& phase, ExpectedHits& sums) {
  for (const auto& request : phase.requests) {
    for (const BlockId b : request.blocks) {
      if (sharers_[b]++ > 0) continue;
      const auto count = [b](const TierFacts& facts, MomentCounts& moments, std::int64_t& never) {
        moments.Add(facts.MayUntil(b), 1);
        never += facts.MayUntil(b) < 0 ? 1 : 0;
      };
      count(g1_, phase1_, never1_), count(g2_, phase2_, never2_), count(g3_, phase3_, never3_);
    }
  }
  std::vector<bool> not_above(sharers_.size(), false), absent(sharers_.size(), false);
  for (const auto& request : phase.requests) {
    for (const BlockId b : request.blocks) {
      not_above[b] = g1_.SurelyGone(b) && g2_.SurelyGone(b);
      absent[b] = not_above[b] && g3_.SurelyGone(b);
    }
  }
  std::vector<Uses> all;
  for (const auto& request : phase.requests) {
    const Lookup look = Look(request);
    all.push_back(Enumerate(request, look, sums));
    PlanDiskUses(request, look, all.back(), sums);
  }
  const std::int64_t begin = moments_;
  moments_ += static_cast<std::int64_t>(phase.requests.size());
  for (std::size_t i = 0; i < all.size(); ++i)
    Apply(phase.requests[i], all[i], begin, moments_ - 1);
  ApplyFirstComers(phase, begin, moments_ - 1, not_above, absent, sums);

  std::fill(sharers_.begin(), sharers_.end(), 0U);
  phase1_ = phase2_ = phase3_ = MomentCounts(phase1_.moments());
  never1_ = never2_ = never3_ = 0;
}

ExpectedHits HitBounds::Walk(const PhaseBlocks& phase) {
  std::uint64_t largest = 0;
  for (const auto& request : phase.requests)
    largest = std::max<std::uint64_t>(largest, request.slots);
  reserve_ = std::max(reserve_, phase.in_flight * largest);
  ExpectedHits sums;
  if (phase.in_flight > 1) {
    WalkTogether(phase, sums);
  } else {
    WalkInOrder(phase, sums);
  }
  const auto fixed = [](const ExpectedHits::Range& r) { return r.low == r.high; };
  sums.exact = fixed(sums.g1_blocks) && fixed(sums.g2_blocks) && fixed(sums.g3_blocks) &&
               fixed(sums.computed_blocks) && fixed(sums.offload_g2_to_g3_blocks);
  return sums;
}

}  // namespace kvtier
