#include "workloads/tier_simulator.hpp"

#include <algorithm>

namespace kvtier {

bool SlotPool::Inactive(BlockId block) const {
  const auto it = named_.find(block);
  return it != named_.end() && it->second.references == 0;
}

void SlotPool::Return(BlockId block, State& state) {
  state.tick = next_tick_++;
  inactive_.emplace(state.tick, block);
}

void SlotPool::Acquire(BlockId block) {
  State& state = named_.at(block);
  if (state.references++ == 0) inactive_.erase(state.tick);
}

void SlotPool::Release(BlockId block) {
  State& state = named_.at(block);
  if (--state.references == 0) Return(block, state);
}

void SlotPool::Touch(BlockId block) {
  Acquire(block);
  Release(block);
}

bool SlotPool::Allocate(std::size_t n) {
  if (n > available()) return false;
  std::size_t free = capacity_ - named_.size() - nameless_;
  for (; free < n; ++free) {
    const auto oldest = inactive_.begin();
    named_.erase(oldest->second);
    inactive_.erase(oldest);
  }
  nameless_ += n;
  return true;
}

bool SlotPool::Register(BlockId block) {
  const auto [it, fresh] = named_.try_emplace(block);
  if (!fresh) {
    if (it->second.references == 0) Touch(block);
    return false;
  }
  it->second.references = 1;
  --nameless_;
  return true;
}

TierSimulator::TierSimulator(const TierPools& pools)
    : pools_(pools), g1_(pools.device_blocks), g2_(pools.host_blocks), g3_(pools.disk_blocks) {}

std::optional<TierSimulator::Lease> TierSimulator::Admit(const RequestBlocks& request,
                                                         TierCounts& counts) {
  const auto& blocks = request.blocks;
  const auto run = [&](const SlotPool& pool, std::size_t from, std::size_t limit) {
    std::size_t n = 0;
    while (from + n < limit && pool.Holds(blocks[from + n])) ++n;
    return n;
  };
  const std::size_t device = run(g1_, 0, request.device_match_limit);
  std::size_t host = run(g2_, device, blocks.size());
  std::size_t disk = run(g3_, device + host, blocks.size());
  if (request.ends_on_boundary && device + host + disk == blocks.size()) {
    if (disk > 0) {
      --disk;
    } else {
      --host;  // the device run alone never covers the last block
    }
  }
  const auto matched_inactive = static_cast<std::size_t>(
      std::count_if(blocks.begin(), blocks.begin() + static_cast<std::ptrdiff_t>(device),
                    [&](BlockId b) { return g1_.Inactive(b); }));
  if (request.slots - device > g1_.available() - matched_inactive) return std::nullopt;

  for (std::size_t i = 0; i < device; ++i) g1_.Acquire(blocks[i]);
  for (std::size_t i = device + host; i-- > device;) g2_.Touch(blocks[i]);
  for (std::size_t i = device + host + disk; i-- > device + host;) g3_.Touch(blocks[i]);
  g1_.Allocate(request.slots - device);

  Lease lease;
  lease.request_ = &request;
  lease.named_.assign(blocks.size(), false);
  lease.nameless_ = request.slots - device;
  const std::size_t hits = device + host + disk;
  for (std::size_t i = 0; i < hits; ++i) {
    if (i < device) {
      lease.named_[i] = true;
    } else if (g1_.Register(blocks[i])) {
      lease.named_[i] = true;
      --lease.nameless_;
    }
  }
  lease.next_token_ = hits * static_cast<std::size_t>(pools_.block_tokens);
  counts.g1 += device;
  counts.g2 += host;
  counts.g3 += disk;
  counts.computed += blocks.size() - hits;
  return lease;
}

void TierSimulator::Prefill(Lease& lease, TierCounts& counts) {
  const RequestBlocks& request = *lease.request_;
  const auto block = static_cast<std::size_t>(pools_.block_tokens);
  const std::size_t chunk = 2 * block;
  const std::size_t end = std::min(request.tokens, (lease.next_token_ / chunk + 1) * chunk);
  const std::size_t first = lease.next_token_ / block;
  const std::size_t last = std::min(end / block, request.blocks.size());
  lease.next_token_ = end;
  for (std::size_t i = first; i < last; ++i) {
    if (!g1_.Register(request.blocks[i])) continue;
    lease.named_[i] = true;
    --lease.nameless_;
  }
  if (first >= last) return;
  if (pools_.host_blocks > 0) {
    OffloadToHost(request, first, last, counts);
  } else if (pools_.disk_blocks > 0) {
    for (std::size_t i = first; i < last; ++i) OffloadToDisk(request.blocks[i], false, counts);
  }
}

void TierSimulator::OffloadToHost(const RequestBlocks& request, std::size_t first, std::size_t last,
                                  TierCounts& counts) {
  if (!g2_.Allocate(last - first)) return;
  for (std::size_t i = first; i < last; ++i) {
    const BlockId block = request.blocks[i];
    if (g2_.Register(block)) {
      g2_.Release(block);
    } else {
      g2_.FreeNameless(1);
    }
    if (pools_.disk_blocks > 0) OffloadToDisk(block, pools_.disk_offload_filter, counts);
  }
}

void TierSimulator::OffloadToDisk(BlockId block, bool ask_filter, TierCounts& counts) {
  if (g3_.Holds(block)) return;
  if (ask_filter && asked_.emplace(block, true).second) return;  // the first question is refused
  if (!g3_.Allocate(1)) return;
  g3_.Register(block);
  g3_.Release(block);
  ++counts.written;
}

void TierSimulator::Finish(Lease& lease) {
  for (std::size_t i = lease.named_.size(); i-- > 0;) {
    if (lease.named_[i]) g1_.Release(lease.request_->blocks[i]);
  }
  g1_.FreeNameless(lease.nameless_);
  lease.nameless_ = 0;
}

bool TierSimulator::Run(const RequestBlocks& request, TierCounts& counts) {
  auto lease = Admit(request, counts);
  if (!lease) return false;
  while (!lease->prefilled()) Prefill(*lease, counts);
  Finish(*lease);
  return true;
}

}  // namespace kvtier
