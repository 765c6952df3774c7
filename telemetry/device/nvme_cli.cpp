#include "telemetry/device/nvme_cli.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "harness/core/clock.hpp"
#include "telemetry/device/smart.hpp"
#include "telemetry/text.hpp"

namespace kvtier {
using nlohmann::json;
namespace {

struct Format {
  const char* name;
  std::vector<std::string> flags;
};
const std::array<Format, 4>& Formats() {
  static const std::array<Format, 4> formats = {Format{"json", {"--output-format=json"}},
                                                {"json", {"-o", "json"}},
                                                {"normal", {"--output-format=normal"}},
                                                {"normal", {}}};
  return formats;
}

/// The device, then for a controller its first namespace.
std::vector<std::string> Candidates(const std::string& device) {
  std::vector<std::string> candidates = {device};
  constexpr std::string_view kPrefix = "/dev/nvme";
  if (device.starts_with(kPrefix) &&
      ParseNumber<unsigned>(std::string_view(device).substr(kPrefix.size()))) {
    candidates.push_back(device + "n1");
  }
  return candidates;
}

json ReturnCode(const CommandResult& result) {
  return result.outcome == CommandResult::Outcome::kExited ? json(result.exit_code) : json(nullptr);
}

bool SaysPermissionDenied(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text.find("permission denied") != std::string::npos;
}

json Head(const std::string& subcommand, const std::string& device) {
  return {{"timestamp_utc", UtcMillisNow()}, {"subcommand", subcommand}, {"device", device}};
}

/// Keeps one attempt after the other, and what the last one said.
class Ladder {
 public:
  Ladder(std::string subcommand, std::string device, const CommandRunner& runner,
         std::chrono::milliseconds limit)
      : subcommand_(std::move(subcommand)),
        device_(std::move(device)),
        runner_(runner),
        limit_(limit) {}

  NvmeCapture Climb() {
    for (const auto& candidate : Candidates(device_)) {
      for (const auto& format : Formats()) {
        if (Try(candidate, format)) return Succeed(candidate, format);
        if (last_.outcome != CommandResult::Outcome::kExited) return Fail();
      }
    }
    return Fail();
  }

 private:
  bool Try(const std::string& candidate, const Format& format) {
    command_ = {"nvme", subcommand_};
    if (!candidate.empty()) command_.push_back(candidate);
    command_.insert(command_.end(), format.flags.begin(), format.flags.end());
    last_ = runner_(command_, limit_);
    const bool wants_json = std::string_view(format.name) == "json";
    json attempt = {{"command", command_},
                    {"format", format.name},
                    {"device_candidate", candidate},
                    {"return_code", ReturnCode(last_)},
                    {"error", nullptr}};
    bool success = last_.ok();
    error_ = WhyFailed(last_, "nvme");
    payload_ = {{"raw_stdout", last_.out}};
    if (wants_json && last_.outcome == CommandResult::Outcome::kExited) {
      payload_ = ParseJsonOrNull(last_.out);
      success = payload_.is_object() || payload_.is_array();
      if (success && last_.exit_code != 0) attempt["parsed_with_nonzero_status"] = true;
      if (!success && last_.exit_code == 0) {
        error_ = "nvme printed no JSON";
        attempt["parse_error"] = fmt::format("no JSON object in {} bytes", last_.out.size());
      }
    }
    attempt["success"] = success;
    if (!success) attempt["error"] = error_;
    attempts_.push_back(std::move(attempt));
    return success;
  }

  NvmeCapture Succeed(const std::string& candidate, const Format& format) {
    NvmeCapture capture;
    capture.success = true;
    const bool is_json = std::string_view(format.name) == "json";
    if (is_json && payload_.is_object() && payload_.contains("error") &&
        payload_["error"].is_string()) {
      capture.error = "nvme: " + Snippet(payload_["error"].get<std::string>());
    } else if (!is_json && SaysPermissionDenied(last_.out + last_.err)) {
      capture.error = "nvme: permission denied";
    }
    capture.payload_ok = capture.error.empty();
    capture.json = Head(subcommand_, device_);
    capture.json.update({{"success", true},
                         {"device_used", candidate},
                         {"format", format.name},
                         {"command", command_},
                         {"payload", payload_},
                         {"payload_ok", capture.payload_ok},
                         {"stderr", last_.err},
                         {"attempts", attempts_}});
    if (is_json && last_.exit_code != 0) capture.json["return_code"] = last_.exit_code;
    if (!is_json) capture.json["stdout"] = last_.out;
    return capture;
  }

  NvmeCapture Fail() {
    NvmeCapture capture = NoNvmeCapture(subcommand_, device_, error_);
    capture.tool_missing = last_.outcome == CommandResult::Outcome::kNotFound;
    capture.json["attempts"] = attempts_;
    return capture;
  }

  std::string subcommand_, device_;
  const CommandRunner& runner_;
  std::chrono::milliseconds limit_;
  std::vector<std::string> command_;
  CommandResult last_;
  std::string error_;
  json payload_;
  json attempts_ = json::array();
};

/// What to do about a SMART log that could not be read.
const char* SmartHint(const std::string& why) {
  return why.find("ermission denied") != std::string::npos ? "run as root: the log needs it"
                                                           : "install nvme-cli or smartmontools";
}

}  // namespace

json ParseJsonOrNull(std::string_view text) {
  // A depth that no tool needs would overflow the stack when the value is destroyed or written.
  constexpr int kMaxDepth = 64;
  bool too_deep = false;
  const auto watch = [&too_deep](int depth, json::parse_event_t, json&) {
    too_deep = too_deep || depth > kMaxDepth;
    return !too_deep;
  };
  json value = json::parse(text, watch, false);
  return too_deep || value.is_discarded() || !value.is_structured() ? json(nullptr) : value;
}

NvmeCapture NoNvmeCapture(const std::string& subcommand, const std::string& device,
                          const std::string& why) {
  NvmeCapture capture;
  capture.error = why;
  capture.json = Head(subcommand, device);
  capture.json.update({{"success", false},
                       {"format", nullptr},
                       {"error", why},
                       {"payload_ok", false},
                       {"attempts", json::array()}});
  return capture;
}

NvmeCapture RunNvme(const std::string& subcommand, const std::string& device,
                    const CommandRunner& runner, std::chrono::milliseconds limit) {
  return Ladder(subcommand, device, runner, limit).Climb();
}

json CommandCaptureJson(const std::vector<std::string>& argv, const CommandResult& result,
                        bool wants_json) {
  const std::string why = WhyFailed(result, argv.at(0));
  json capture = {{"command", argv},
                  {"success", why.empty()},
                  {"return_code", ReturnCode(result)},
                  {"error", why.empty() ? json(nullptr) : json(why)},
                  {"stderr", result.err},
                  {"payload", nullptr}};
  if (!wants_json) {
    if (why.empty()) capture["payload"] = result.out;
    return capture;
  }
  // smartctl says the state of the disk in its exit status: JSON counts whatever the status.
  capture["payload"] = ParseJsonOrNull(result.out);
  if (result.outcome == CommandResult::Outcome::kExited && capture["payload"].is_null()) {
    capture["raw_stdout"] = result.out;
    if (why.empty()) {
      capture["success"] = false;
      capture["error"] = argv.at(0) + " printed no JSON";
    }
  }
  return capture;
}

json CommandCaptureJson(const NvmeCapture& capture) {
  const json& attempts = capture.json.at("attempts");
  const json last = attempts.empty() ? json::object() : attempts.back();
  return {{"command", last.value("command", json::array())},
          {"success", capture.success && capture.payload_ok},
          {"return_code", last.contains("return_code") ? last["return_code"] : json(nullptr)},
          {"error", capture.error.empty() ? json(nullptr) : json(capture.error)},
          {"stderr", capture.json.value("stderr", "")},
          {"payload", capture.payload()}};
}

Reading<SmartReading> SmartOfCaptures(const std::string& device, const NvmeCapture& log,
                                      const json& smartctl) {
  std::string why = log.error;
  if (log.payload_ok) {
    const json payload = log.payload();
    auto reading = payload.contains("raw_stdout") && payload["raw_stdout"].is_string()
                       ? SmartFromNvmeText(payload["raw_stdout"].get<std::string>())
                       : SmartFromNvmeJson(payload);
    if (reading) return reading;
    why = reading.reason();
  }
  if (smartctl.is_object()) {
    auto reading = SmartFromSmartctl(smartctl["payload"]);
    if (reading) return reading;
    why += "; " + (smartctl["error"].is_string() ? smartctl["error"].get<std::string>()
                                                 : reading.reason());
  }
  return Reading<SmartReading>::Unavailable(
      fmt::format("no SMART of {}: {}; {}", device, why, SmartHint(why)));
}

}  // namespace kvtier
