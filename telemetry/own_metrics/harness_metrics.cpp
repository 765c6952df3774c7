#include "telemetry/own_metrics/harness_metrics.hpp"

#include <array>
#include <atomic>
#include <mutex>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "harness/core/error.hpp"
#include "telemetry/os/ports.hpp"

namespace kvtier {
namespace {

constexpr std::array kOutcomes{Outcome::kOk,           Outcome::kHttpError, Outcome::kStreamError,
                               Outcome::kIncomplete,   Outcome::kTimeout,   Outcome::kEmptyOutput,
                               Outcome::kConnectError, Outcome::kCancelled};

// Chosen: 1-2-5 steps from a hit in device memory to a long prompt computed anew, in seconds.
const prometheus::Histogram::BucketBoundaries kTtfcBuckets{
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100};

// Made before the first request of the phase, so that counting one is an addition.
struct PhaseChildren {
  std::array<prometheus::Counter*, kOutcomes.size()> requests{};
  prometheus::Histogram* ttfc = nullptr;
};

}  // namespace

struct HarnessMetrics::Impl {
  prometheus::Family<prometheus::Counter>& AddCounter(const char* name, const char* help) {
    return prometheus::BuildCounter()
        .Name(std::string("kvtier_harness_") + name)
        .Help(help)
        .Register(*registry);
  }
  prometheus::Family<prometheus::Gauge>& AddGauge(const char* name, const char* help) {
    return prometheus::BuildGauge()
        .Name(std::string("kvtier_harness_") + name)
        .Help(help)
        .Register(*registry);
  }

  std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();
  prometheus::Family<prometheus::Counter>& requests =
      AddCounter("requests_total", "Requests that ended, by phase and outcome");
  prometheus::Family<prometheus::Histogram>& ttfc =
      prometheus::BuildHistogram()
          .Name("kvtier_harness_ttfc_seconds")
          .Help("Time from sending a request to its first generated text, requests that were ok")
          .Register(*registry);
  prometheus::Family<prometheus::Gauge>& phase_info =
      AddGauge("phase_info", "1 for the phase that runs, 0 for those that ran");
  prometheus::Family<prometheus::Counter>& legs = AddCounter("legs_total", "Legs that ended");
  prometheus::Family<prometheus::Gauge>& source_unavailable =
      AddGauge("source_unavailable", "1 while a source of the recorder cannot be read");
  prometheus::Family<prometheus::Counter>& findings =
      AddCounter("findings_total", "Findings of the rules, by reason code and severity");
  prometheus::Counter& ticks_due =
      AddCounter("recorder_ticks_due_total", "Readings that the recorder had to take").Add({});
  prometheus::Counter& ticks_missed =
      AddCounter("recorder_ticks_missed_total", "Readings that did not begin within their cadence")
          .Add({});
  prometheus::Counter& rows =
      AddCounter("recorder_rows_total", "Rows written to the timeline").Add({});
  prometheus::Counter& cpu =
      AddCounter("recorder_cpu_seconds_total", "CPU time of the recorder's thread").Add({});

  std::mutex mutex;                             // of what follows but `current`
  std::map<std::string, PhaseChildren> phases;  // never erased: `current` points into it
  prometheus::Gauge* running = nullptr;
  std::atomic<PhaseChildren*> current{nullptr};

  std::string url;
  std::optional<std::uint16_t> port;
  std::unique_ptr<prometheus::Exposer> exposer;  // last: it stops before what it reads is gone

  PhaseChildren& Children(const std::string& phase) {
    const auto [at, added] = phases.try_emplace(phase);
    if (added) {
      for (std::size_t i = 0; i < kOutcomes.size(); ++i) {
        at->second.requests[i] =
            &requests.Add({{"phase", phase}, {"outcome", std::string(OutcomeName(kOutcomes[i]))}});
      }
      at->second.ttfc = &ttfc.Add({{"phase", phase}}, kTtfcBuckets);
    }
    return at->second;
  }
};

namespace {

std::unique_ptr<prometheus::Exposer> Listen(const std::string& address, std::uint16_t port) {
  const std::string place = fmt::format("{}:{}", address, port);
  std::string why;
  try {
    // One thread: a scrape every few seconds, beside a run that is timed.
    return std::make_unique<prometheus::Exposer>(place, 1);
  } catch (const std::exception& e) {  // CivetException, whose header is not for users
    why = e.what();
  }
  if (const auto owner = port == 0 ? std::nullopt : FindPortOwner(port)) {
    throw ConfigError(fmt::format(
        "port {} for kvtier's own metrics is taken by {}; stop it or choose another port", port,
        owner->Describe()));
  }
  throw ConfigError(fmt::format(
      "cannot listen on {} for kvtier's own metrics ({}); choose an address of this machine and a "
      "port that this user may bind",
      place, why));
}

}  // namespace

HarnessMetrics::HarnessMetrics(HarnessMetricsOptions options) : impl_(std::make_unique<Impl>()) {
  auto& build = impl_->AddGauge("build_info", "1; the labels say which kvtier this is");
  try {
    build.Add(prometheus::Labels(options.build.begin(), options.build.end())).Set(1);
  } catch (const std::exception& e) {
    throw ConfigError(
        fmt::format("the labels of kvtier_harness_build_info are not allowed: {}", e.what()));
  }
  for (const TierMode tier : kAllTierModes) {
    for (const char* valid : {"true", "false"}) {
      impl_->legs.Add({{"tier", std::string(TierName(tier))}, {"valid", valid}});
    }
  }
  impl_->current = &impl_->Children("none");
  if (!options.port) return;
  auto exposer = Listen(options.bind_address, *options.port);
  exposer->RegisterCollectable(impl_->registry);
  impl_->port = static_cast<std::uint16_t>(exposer->GetListeningPorts().at(0));
  impl_->url = fmt::format("http://{}:{}/metrics", options.bind_address, *impl_->port);
  impl_->exposer = std::move(exposer);
}

HarnessMetrics::~HarnessMetrics() = default;

std::optional<std::uint16_t> HarnessMetrics::port() const {
  return impl_->port;
}

std::string HarnessMetrics::url() const {
  return impl_->url;
}

void HarnessMetrics::BeginPhase(TierMode tier, const std::string& phase) {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->running != nullptr) impl_->running->Set(0);
  impl_->current = &impl_->Children(phase);
  impl_->running =
      &impl_->phase_info.Add({{"tier", std::string(TierName(tier))}, {"phase", phase}});
  impl_->running->Set(1);
}

void HarnessMetrics::EndPhase() {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->running != nullptr) impl_->running->Set(0);
  impl_->running = nullptr;
}

void HarnessMetrics::Request(Outcome outcome, std::optional<double> ttfc_s) {
  PhaseChildren& phase = *impl_->current.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < kOutcomes.size(); ++i) {
    if (kOutcomes[i] == outcome) phase.requests[i]->Increment();
  }
  if (outcome == Outcome::kOk && ttfc_s) phase.ttfc->Observe(*ttfc_s);
}

void HarnessMetrics::LegEnded(TierMode tier, bool valid) {
  impl_->legs.Add({{"tier", std::string(TierName(tier))}, {"valid", valid ? "true" : "false"}})
      .Increment();
}

void HarnessMetrics::CountFinding(const Finding& finding) {
  impl_->findings
      .Add({{"code", std::string(Code(finding.reason))},
            {"severity", std::string(SeverityName(finding.severity))}})
      .Increment();
}

void HarnessMetrics::SetSource(const std::string& source, bool available) {
  impl_->source_unavailable.Add({{"source", source}}).Set(available ? 0 : 1);
}

void HarnessMetrics::AddRecorder(const RecorderTotals& more) {
  impl_->ticks_due.Increment(static_cast<double>(more.ticks_due));
  impl_->ticks_missed.Increment(static_cast<double>(more.ticks_missed));
  impl_->rows.Increment(static_cast<double>(more.rows));
  impl_->cpu.Increment(more.cpu_s);
}

std::string HarnessMetrics::Render() const {
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, impl_->registry->Collect());
  return text.str();
}

}  // namespace kvtier
