#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "harness/net/kv_events.hpp"

namespace kvtier {

/// The engine's end: a PUB socket with three frames a batch (topic, sequence, payload) and a ROUTER
/// socket that sends the last batches again. A replay is asked for with an empty frame and the
/// first sequence wanted; the answer is (empty, topic, sequence, payload) a batch that is still
/// kept, then the same with sequence 2^64 - 1 and an empty payload. A PUB socket drops for whoever
/// reads too slowly or came late: the replay is how they catch up.
class KvEventPublisher {
 public:
  struct Options {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0, replay_port = 0;  // 0: any free
    std::string topic = {};
    std::size_t kept_batches = 10000;  // for replays; as vLLM's buffer_steps
  };
  /// Throws IoError naming what could not be bound.
  explicit KvEventPublisher(const Options& options);
  ~KvEventPublisher();
  KvEventPublisher(const KvEventPublisher&) = delete;
  KvEventPublisher& operator=(const KvEventPublisher&) = delete;

  /// From any thread; never blocks. Returns the batch's sequence, from 0 up.
  std::uint64_t Publish(const KvEventBatch& batch);
  std::uint64_t next_sequence() const;
  /// tcp://127.0.0.1:20080
  std::string endpoint() const;
  std::string replay_endpoint() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// The reader's end. Batches arrive in order and without gaps, from sequence 0 where the replay
/// still has it; what cannot be had again is told as lost.
class KvEventSubscriber {
 public:
  /// All on a thread of the subscriber's own.
  struct Callbacks {
    std::function<void(std::uint64_t sequence, const KvEventBatch& batch)> on_batch;
    /// Sequences [first, last] will never arrive, or one of them could not be read.
    std::function<void(std::uint64_t first, std::uint64_t last, const std::string& why)> on_lost;
    /// A gap was found and [first, ...] asked for again. May be empty.
    std::function<void(std::uint64_t first)> on_gap = {};
  };
  /// `replay_endpoint` may be empty: then gaps are losses. Throws IoError for an endpoint that is
  /// none; a publisher that is not there yet is waited for.
  KvEventSubscriber(const std::string& endpoint, const std::string& replay_endpoint,
                    Callbacks callbacks);
  ~KvEventSubscriber();
  KvEventSubscriber(const KvEventSubscriber&) = delete;
  KvEventSubscriber& operator=(const KvEventSubscriber&) = delete;

  /// Asks for what is missing until every batch before `sequence` was told (or told as lost), at
  /// most `limit`. False when the time ran out.
  bool CatchUp(std::uint64_t sequence, std::chrono::milliseconds limit);
  /// Sequence of the batch that would come next.
  std::uint64_t next_sequence() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kvtier
