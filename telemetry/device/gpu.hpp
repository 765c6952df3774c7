#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"
#include "telemetry/device/command_runner.hpp"
#include "telemetry/roots.hpp"

namespace kvtier {

/// One GPU at one moment. What the GPU does not say is unavailable with its own words; on a machine
/// with unified memory that is its memory, which /proc/meminfo knows.
struct GpuSample {
  unsigned index = 0;
  std::string name;
  Reading<double> power_w, sm_mhz, mem_mhz, celsius;
  Reading<double> util_ratio, mem_util_ratio;  // 0..1: time in which it computed, moved memory
  Reading<std::uint64_t> throttle_bits;        // nvmlClocksEventReasons
  Reading<Bytes> mem_used, mem_total;
};

/// Why the clocks are below what they could be, in words ("sw_power_cap", "hw_thermal_slowdown").
/// Idle is no throttling; a bit that we do not know is "bit_<N>".
std::vector<std::string> ThrottleWords(std::uint64_t bits);

/// True when the kernel has a GPU of NVIDIA: /proc/driver/nvidia, or a /dev/nvidia<N> (what a
/// container is given). Tells "no GPU" from "a GPU that we cannot see into".
bool GpuPresent(const OsRoots& roots = {}, const std::filesystem::path& dev = "/dev");

struct GpuOptions {
  std::string library = "libnvidia-ml.so.1";  // comes with the driver
  CommandRunner runner = SystemCommandRunner();
  OsRoots roots = {};
  std::filesystem::path dev = "/dev";
};

/// The GPUs of this machine through NVML (microseconds a value), else through nvidia-smi (a process
/// a reading). Which of them is settled at construction, so that a machine without a GPU costs
/// nothing at each reading. Nothing throws. Use from one thread. The library is shut down and
/// closed by the destructor.
class Gpu {
 public:
  explicit Gpu(GpuOptions options = {});
  ~Gpu();
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;

  /// "nvml", "nvidia-smi" or "" when there is none.
  const std::string& source() const { return source_; }
  /// One sample a GPU, by index. Unavailable with "no GPU: ..." or with why it cannot be seen.
  Reading<std::vector<GpuSample>> Read();

 private:
  class Library;
  Reading<std::vector<GpuSample>> AskSmi();

  CommandRunner runner_;
  std::unique_ptr<Library> library_;
  std::string source_;
  std::string why_blind_;
  bool old_smi_ = false;  // calls the reasons clocks_throttle_reasons
};

/// Rows of `nvidia-smi --query-gpu=<SmiQuery()> --format=csv,noheader,nounits`; a row that is short
/// is left out. "[N/A]", "[Not Supported]" and anything else that is no number are unavailable.
std::vector<GpuSample> ParseSmiCsv(std::string_view csv);
/// The fields, the name last: it alone may hold a comma. `old_names`: of drivers before 535.
std::string SmiQuery(bool old_names = false);

}  // namespace kvtier
