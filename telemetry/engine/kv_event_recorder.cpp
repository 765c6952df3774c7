#include "telemetry/engine/kv_event_recorder.hpp"

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/net/http_client.hpp"

namespace kvtier {
namespace {

Reading<KvStoreTruth> AskStore(const std::string& url, std::chrono::milliseconds limit) {
  using Truth = Reading<KvStoreTruth>;
  if (url.empty()) return Truth::Unavailable("the stack has no store that can be asked");
  try {
    const HttpResponse answer = HttpGet(Url::Parse(url), limit);
    if (answer.status != 200)
      return Truth::Unavailable(fmt::format("{} answered {}", url, answer.status));
    return ParseKvStoreTruth(answer.body);
  } catch (const Error& e) {
    return Truth::Unavailable(e.what());
  }
}

KvbmSnapshot NoCounters(const std::string& why) {
  KvbmSnapshot none;
  none.label = "kv_residency";
  none.error = why;
  return none;
}

}  // namespace

KvEventRecorder::KvEventRecorder(const std::string& url, const std::string& replay_url)
    : subscriber_(url, replay_url,
                  {.on_batch =
                       [this](std::uint64_t sequence, const KvEventBatch& batch) {
                         HeardKvBatch heard{sequence, batch};
                         // A rebuilt tier needs names, not tokens; these are most of the bytes.
                         for (KvEvent& event : heard.batch.events) {
                           if (auto* stored = std::get_if<KvStored>(&event)) stored->token_ids = {};
                         }
                         const std::scoped_lock lock(mutex_);
                         log_.batches.push_back(std::move(heard));
                       },
                   .on_lost =
                       [this](std::uint64_t first, std::uint64_t last, const std::string&) {
                         const std::scoped_lock lock(mutex_);
                         log_.lost_batches += last - first + 1;
                       },
                   .on_gap =
                       [this](std::uint64_t) {
                         const std::scoped_lock lock(mutex_);
                         ++log_.gaps;
                       }}) {}

KvEventLog KvEventRecorder::Log() const {
  const std::scoped_lock lock(mutex_);
  return log_;
}

KvResidencyReport KvEventRecorder::Judge(const std::string& truth_url,
                                         const std::function<KvbmSnapshot()>& scrape,
                                         std::chrono::milliseconds limit) {
  KvResidencyInputs inputs;
  inputs.store = AskStore(truth_url, limit);
  inputs.counters = scrape ? scrape() : NoCounters("nobody exports any");
  if (inputs.store) {
    const auto again = AskStore(truth_url, limit);
    if (!again || again->next_sequence != inputs.store->next_sequence)
      inputs.counters = NoCounters("the tiers changed while the counters were read");
    (void)subscriber_.CatchUp(inputs.store->next_sequence, limit);  // what is missing then is lost
  }
  inputs.log = Log();
  return JudgeKvResidency(inputs);
}

}  // namespace kvtier
