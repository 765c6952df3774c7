#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/device/gpu.hpp"
#include "telemetry/device/nvme_cli.hpp"
#include "telemetry/device/nvme_inventory.hpp"
#include "telemetry/device/pcie.hpp"
#include "telemetry/device/smart.hpp"

/// Every parser of what a program of the system prints: any bytes give a value or a reason.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kvtier;  // NOLINT(google-build-using-namespace): a program of one function
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto log = ParseJsonOrNull(text);
  const auto from_json = SmartFromNvmeJson(log);
  const auto from_text = SmartFromNvmeText(text);
  const auto delta = SmartDeltaBetween(from_json, from_text);
  (void)EstimateEndurance({.now = from_text,
                           .written = delta.written,
                           .window_s = 60,
                           .useful_read = delta.read,
                           .rated_tbw = {}});
  (void)SmartFromSmartctl(log);
  NvmeController controller;
  controller.controller = "nvme0";
  controller.name_space = "/dev/nvme0n1";
  (void)NvmeIdentity(log, NvmeListEntries(log, controller), controller, {});
  (void)SubsysBdf(log, "nvme0");
  (void)LspciNvmeBdfs(text);
  (void)ParseOsRelease(text);
  (void)ParseLspciLink(text);
  (void)FindBdf(text);
  (void)ParseSmiCsv(text);
  CommandResult answer;
  answer.outcome = CommandResult::Outcome::kExited;
  answer.exit_code = size % 2 == 0 ? 0 : 1;
  answer.out = text;
  const CommandRunner runner = [&answer](const std::vector<std::string>&,
                                         std::chrono::milliseconds) { return answer; };
  (void)CommandCaptureJson(RunNvme("smart-log", "/dev/nvme0", runner));
  (void)CommandCaptureJson({"smartctl"}, answer, true);
  return 0;
}
