#pragma once
#include <chrono>
#include <functional>
#include <mutex>
#include <string>

#include "harness/net/kv_events_zmq.hpp"
#include "telemetry/engine/kv_residency.hpp"

namespace kvtier {

/// Listens to the KV events of one worker from its first on, and holds them against its store.
class KvEventRecorder {
 public:
  /// tcp://host:port of the events and of their replay. Throws IoError for what is no address.
  KvEventRecorder(const std::string& url, const std::string& replay_url);

  /// Asks the store what it holds (`truth_url`, empty: nobody can be asked), waits until the events
  /// before that have been heard, and takes the counters of the same moment with `scrape`: between
  /// two equal answers of the store. Never throws: what cannot be seen is a reason in the report.
  KvResidencyReport Judge(const std::string& truth_url, const std::function<KvbmSnapshot()>& scrape,
                          std::chrono::milliseconds limit);
  /// What was heard so far.
  KvEventLog Log() const;

 private:
  mutable std::mutex mutex_;
  KvEventLog log_;
  KvEventSubscriber subscriber_;  // last: its thread writes the log
};

}  // namespace kvtier
