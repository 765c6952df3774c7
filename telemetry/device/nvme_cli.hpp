#pragma once
#include <chrono>
#include <string>

#include <nlohmann/json.hpp>

#include "harness/core/reading.hpp"
#include "harness/judge/storage_evidence.hpp"
#include "telemetry/device/command_runner.hpp"

/// nvme-cli and its like, asked in the ways that its releases understand.
namespace kvtier {

/// Answer of one `nvme` subcommand. `json` is what nvme_identity.json and
/// nvme_smart_{pre,post}.json hold (docs/schemas/nvme_capture.schema.json): success, device_used,
/// format, payload, payload_ok, attempts ...
struct NvmeCapture {
  nlohmann::json json;
  bool success = false;     // some attempt gave a text that could be read
  bool payload_ok = false;  // and that text is an answer, not an error
  bool tool_missing = false;
  std::string error;  // empty when payload_ok: why not, in one clause

  /// The object of a JSON answer, {"raw_stdout": text} of a normal one, null without success.
  nlohmann::json payload() const { return success ? json.at("payload") : nlohmann::json(nullptr); }
};

/// The SMART log of `device` as nvme-cli gave it, else as `smartctl -a -j` did (a capture as
/// CommandCaptureJson makes it; null: not asked). Unavailable with both reasons and what to do.
Reading<SmartReading> SmartOfCaptures(const std::string& device, const NvmeCapture& log,
                                      const nlohmann::json& smartctl);

/// `nvme <subcommand> <device>` as --output-format=json, -o json, --output-format=normal, then
/// bare; for /dev/nvmeN the same again for its first namespace. The first text that can be read
/// ends the ladder; JSON counts also when the exit status is not 0. A command that is not found
/// ends it too, and so does a time-out: a device that does not answer will not answer in another
/// format. `device` empty: for `list` and `list-subsys`, which take none. Never throws.
NvmeCapture RunNvme(const std::string& subcommand, const std::string& device,
                    const CommandRunner& runner,
                    std::chrono::milliseconds limit = std::chrono::seconds(10));

/// The document of a capture that was not tried, with the reason.
NvmeCapture NoNvmeCapture(const std::string& subcommand, const std::string& device,
                          const std::string& why);

/// One command of device_metadata: {command, success, return_code, error, stderr, payload}; payload
/// is the parsed JSON when `wants_json`, else the text; raw_stdout beside it when it did not parse.
nlohmann::json CommandCaptureJson(const std::vector<std::string>& argv, const CommandResult& result,
                                  bool wants_json);
/// The same shape of a ladder's last attempt.
nlohmann::json CommandCaptureJson(const NvmeCapture& capture);

/// A JSON object or array; null where the text is none.
nlohmann::json ParseJsonOrNull(std::string_view text);

}  // namespace kvtier
