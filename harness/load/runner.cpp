#include "harness/load/runner.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/net/completion_client.hpp"
#include "harness/net/openai.hpp"

namespace kvtier {
namespace {

/// Type-7 estimate (linear between order statistics) of a client self-measurement; 0 for an empty
/// one, which means that nothing was sent. harness/stats lies above this folder and serves the
/// verdicts.
double QuantileOf(std::vector<double> values, double p) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double rank = p * static_cast<double>(values.size() - 1);
  const std::size_t below = static_cast<std::size_t>(rank);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (values[above] - values[below]) * (rank - static_cast<double>(below));
}

/// Throws ConfigError for a request that waits for itself, a later one, or one that is not there,
/// and for a negative time.
void CheckWaits(const PhasePlan& phase) {
  for (std::size_t i = 0; i < phase.requests.size(); ++i) {
    const PlannedRequest& request = phase.requests[i];
    if (request.after && (*request.after < 0 || static_cast<std::size_t>(*request.after) >= i)) {
      throw ConfigError(
          fmt::format("request {} of phase {} waits for request {}: it can only wait for an "
                      "earlier one of its phase",
                      i + 1, phase.name, *request.after + 1));
    }
    if (request.think_time_ns < 0 || request.arrival_offset_ns.value_or(0) < 0) {
      throw ConfigError(fmt::format(
          "request {} of phase {} has a negative think time or arrival offset", i + 1, phase.name));
    }
  }
}

/// The order of sending among requests that are due: of the plan, or of the arrival offsets when
/// there are any. Who follows another has a place no earlier than the other's.
std::vector<std::size_t> SendOrder(const PhasePlan& phase) {
  std::vector<std::size_t> order(phase.requests.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<std::int64_t> not_before;
  std::size_t own = 0, own_with = 0;
  bool any = false;
  not_before.reserve(order.size());
  for (const PlannedRequest& request : phase.requests) {
    const bool with = request.arrival_offset_ns.has_value();
    any = any || with;
    if (!request.after) ++own;
    if (!request.after && with) ++own_with;
    const std::int64_t other =
        request.after ? not_before[static_cast<std::size_t>(*request.after)] : 0;
    not_before.push_back(std::max(other, request.arrival_offset_ns.value_or(0)));
  }
  if (!any) return order;
  if (own_with != 0 && own_with != own) {
    throw ConfigError(fmt::format(
        "phase {} has arrival offsets on {} of {} requests that wait for no other; give them to "
        "all or to none",
        phase.name, own_with, own));
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return not_before[a] < not_before[b]; });
  return order;
}

/// The requests as they go over the wire, in the order of sending.
std::vector<WireRequest> WireRequests(const RunnerOptions& options, const PhasePlan& phase,
                                      const std::vector<std::size_t>& order) {
  std::vector<std::size_t> place(order.size());
  for (std::size_t at = 0; at < order.size(); ++at) place[order[at]] = at;
  std::vector<WireRequest> wire;
  wire.reserve(order.size());
  for (const std::size_t i : order) {
    const PlannedRequest& request = phase.requests[i];
    wire.push_back(
        MakeWireRequest(options.url,
                        BuildCompletionBody(options.model, request.prompt, request.token_ids,
                                            request.params, request.extras),
                        request.params.stream, options.headers));
    wire.back().send_offset_ns = request.arrival_offset_ns;
    if (request.after) wire.back().after = place[static_cast<std::size_t>(*request.after)];
    wire.back().think_ns = request.think_time_ns;
  }
  return wire;
}

/// spec/workloads.md section 11.6.
std::map<std::string, std::string> HeaderHints(const HttpHeaders& headers) {
  std::map<std::string, std::string> hints;
  for (const auto& [name, value] : headers) {
    std::string lower = name;
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    const bool hint = lower.rfind("x-", 0) == 0 || lower.find("request") != std::string::npos ||
                      lower.find("trace") != std::string::npos;
    if (hint) hints[lower] = value;
  }
  return hints;
}

RequestRecord MakeRecord(const FinishedExchange& exchange, CompletionParser& parser,
                         const ClockAnchor& anchor) {
  CompletionResult result = AnalyseExchange(exchange.raw, parser);
  RequestRecord record;
  record.worker_idx = exchange.slot + 1;
  record.outcome = result.outcome;
  record.http_status = result.http_status;
  record.error = std::move(result.error);
  record.stamps = result.stamps;
  record.chunks = std::move(result.chunks);
  record.text = std::move(result.text);
  record.output_sha256 = Sha256Hex(record.text);
  record.usage = result.usage;
  record.finish_reason = std::move(result.finish_reason);
  record.first_event_type = std::move(result.first_event_type);
  record.stream_error = std::move(result.stream_error);
  record.response_id = std::move(result.response_id);
  record.response_model = std::move(result.response_model);
  record.request_id = std::string(FindHeader(exchange.raw.headers, "x-request-id"));
  record.header_hints = HeaderHints(exchange.raw.headers);
  const auto& stamps = record.stamps;
  const MonoNs begin = stamps.sent_first.value_or(stamps.issued.value_or(anchor.mono));
  record.start_utc = UtcMillis(anchor.ToWall(begin));
  record.end_utc = UtcMillis(anchor.ToWall(stamps.closed.value_or(begin)));
  return record;
}

ClientLoad LoadOf(const ClientSelf& self, int slots, std::vector<double> ttfc_ms) {
  ClientLoad load;
  const double wall_s = NsToMs(self.end - self.start) / 1e3;
  load.cpu_fraction = wall_s > 0 ? self.cpu_s / wall_s : 0;
  load.send_delay_p99_ms = QuantileOf(self.send_delay_ms, 0.99);
  load.loop_lag_p99_ms = QuantileOf(self.loop_lag_ms, 0.99);
  load.pool_wait_p99_ms = QuantileOf(self.pool_wait_ms, 0.99);
  load.connect_p50_ms = QuantileOf(self.connect_ms, 0.5);
  load.reconnects = std::max(0, static_cast<int>(self.connect_ms.size()) - slots);
  load.max_in_flight = self.max_in_flight;
  const std::optional<double> ttfc_p50 =
      ttfc_ms.empty() ? std::nullopt : std::optional(QuantileOf(std::move(ttfc_ms), 0.5));
  JudgeSaturation(load, ttfc_p50);
  return load;
}

}  // namespace

void JudgeSaturation(ClientLoad& load, std::optional<double> ttfc_p50_ms) {
  const double ttfc = ttfc_p50_ms.value_or(0);
  const double delay_limit = std::max(5.0, 0.01 * ttfc), lag_limit = std::max(5.0, 0.05 * ttfc);
  load.saturated_why.clear();
  const auto add = [&](bool over, const std::string& why) {
    if (over) load.saturated_why += (load.saturated_why.empty() ? "" : "; ") + why;
  };
  add(load.cpu_fraction > 0.8,
      fmt::format("the client thread used {:.0f} % of a core", 100 * load.cpu_fraction));
  add(load.send_delay_p99_ms > delay_limit,
      fmt::format("send delay p99 {:.2f} ms is over {:.2f} ms", load.send_delay_p99_ms,
                  delay_limit));
  add(load.loop_lag_p99_ms > lag_limit,
      fmt::format("loop lag p99 {:.2f} ms is over {:.2f} ms", load.loop_lag_p99_ms, lag_limit));
  load.saturated = !load.saturated_why.empty();
}

PhaseRun RunPhase(const RunnerOptions& options, const PhasePlan& phase,
                  const RunnerCallbacks& callbacks, std::stop_token stop) {
  if (phase.concurrency < 1) {
    throw ConfigError(fmt::format("phase {} has concurrency {}; it must be at least 1", phase.name,
                                  phase.concurrency));
  }
  CheckWaits(phase);
  const std::vector<std::size_t> order = SendOrder(phase);
  const std::vector<WireRequest> wire = WireRequests(options, phase, order);

  CompletionClient::Options client_options;
  client_options.url = options.url;
  client_options.concurrency = static_cast<int>(
      std::clamp<std::size_t>(order.size(), 1, static_cast<std::size_t>(phase.concurrency)));
  client_options.total_timeout = options.total_timeout;
  client_options.stall_timeout = options.stall_timeout;
  CompletionClient client(client_options);

  CompletionParser parser;
  std::vector<double> ttfc_ms;
  PhaseProgress progress;
  bool cancelled = false;
  progress.planned = static_cast<int>(order.size());
  const auto report = [&] {
    if (!callbacks.on_progress) return;
    progress.issued = static_cast<int>(client.issued());
    progress.in_flight = client.in_flight();
    callbacks.on_progress(progress);
  };

  const ClockAnchor anchor = ClockAnchor::Now();
  const ClientSelf self = client.Run(
      wire,
      [&](FinishedExchange&& exchange) {
        RequestRecord record = MakeRecord(exchange, parser, anchor);
        const std::size_t planned_at = order[exchange.index];
        record.request_index = options.first_request_index + static_cast<int>(exchange.order);
        record.phase = phase.name;
        record.phase_request_index = static_cast<int>(planned_at) + 1;
        record.planned = phase.requests[planned_at];
        ++progress.done;
        if (record.outcome == Outcome::kOk) ++progress.ok;
        if (record.outcome == Outcome::kCancelled) cancelled = true;
        if (const auto ttfc = record.TtfcMs()) ttfc_ms.push_back(*ttfc);
        if (callbacks.on_record) callbacks.on_record(std::move(record));
        report();
      },
      stop, report);

  PhaseRun run;
  run.client = LoadOf(self, client_options.concurrency, std::move(ttfc_ms));
  run.start = self.start;
  run.end = self.end;
  run.start_utc = UtcMillis(anchor.ToWall(self.start));
  run.end_utc = UtcMillis(anchor.ToWall(self.end));
  run.issued = static_cast<int>(self.issued);
  run.stopped = cancelled || self.issued < order.size();
  return run;
}

}  // namespace kvtier
