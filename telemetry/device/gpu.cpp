#include "telemetry/device/gpu.hpp"

#include <dlfcn.h>

#include <array>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "telemetry/device/nvml_abi.hpp"
#include "telemetry/text.hpp"

namespace kvtier {
namespace fs = std::filesystem;
namespace {

constexpr const char* kUnified = "unified memory: read from meminfo";
/// nvidia-smi takes up to a second when the driver has to wake the GPU; a reading that is later
/// than this is none.
constexpr std::chrono::milliseconds kSmiLimit = std::chrono::seconds(5);

struct ReasonWord {
  unsigned long long bit;
  const char* word;
};
constexpr std::array<ReasonWord, 8> kReasonWords{{
    {nvml::kReasonApplicationsClocksSetting, "applications_clocks_setting"},
    {nvml::kReasonSwPowerCap, "sw_power_cap"},
    {nvml::kReasonHwSlowdown, "hw_slowdown"},
    {nvml::kReasonSyncBoost, "sync_boost"},
    {nvml::kReasonSwThermalSlowdown, "sw_thermal_slowdown"},
    {nvml::kReasonHwThermalSlowdown, "hw_thermal_slowdown"},
    {nvml::kReasonHwPowerBrakeSlowdown, "hw_power_brake_slowdown"},
    {nvml::kReasonDisplayClockSetting, "display_clock_setting"},
}};

std::string_view Trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

Reading<double> SmiNumber(std::string_view cell, const char* what, double factor = 1) {
  const auto value = ParseNumber<double>(cell);
  if (value && *value >= 0 && *value < 1e15) return *value * factor;
  return Reading<double>::Unavailable(
      fmt::format("nvidia-smi says {} for {}", Snippet(cell, 40), what));
}

Reading<std::uint64_t> SmiBits(std::string_view cell) {
  const auto bits = cell.starts_with("0x") ? ParseNumber<std::uint64_t>(cell.substr(2), 16)
                                           : std::optional<std::uint64_t>();
  if (bits) return *bits;
  return Reading<std::uint64_t>::Unavailable(
      fmt::format("nvidia-smi says {} for the clock event reasons", Snippet(cell, 40)));
}

Reading<Bytes> SmiMemory(std::string_view cell, const char* what) {
  if (cell == "[N/A]" || cell == "N/A" || cell == "[Not Supported]")
    return Reading<Bytes>::Unavailable(kUnified);
  return SmiNumber(cell, what).Map([](double mib) {
    return Bytes{static_cast<std::uint64_t>(mib * 1048576.0)};
  });
}

}  // namespace

std::vector<std::string> ThrottleWords(std::uint64_t bits) {
  std::vector<std::string> words;
  std::uint64_t known = nvml::kReasonGpuIdle;
  for (const auto& r : kReasonWords) {
    known |= r.bit;
    if ((bits & r.bit) != 0) words.emplace_back(r.word);
  }
  for (unsigned i = 0; i < 64; ++i) {
    const std::uint64_t bit = std::uint64_t{1} << i;
    if ((bits & bit & ~known) != 0) words.push_back(fmt::format("bit_{}", i));
  }
  return words;
}

bool GpuPresent(const OsRoots& roots, const fs::path& dev) {
  std::error_code error;
  if (fs::exists(roots.proc / "driver/nvidia", error)) return true;
  for (fs::directory_iterator it(dev, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.starts_with("nvidia") && ParseNumber<unsigned>(std::string_view(name).substr(6)))
      return true;
  }
  return false;
}

/// NVML, opened and initialised; closed again by the destructor.
class Gpu::Library {
 public:
  explicit Library(const std::string& path) {
    handle_ = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) {
      const char* text = ::dlerror();  // NOLINT(concurrency-mt-unsafe): glibc keeps it per thread
      error_ = text == nullptr ? path + " cannot be loaded" : text;
      return;
    }
    Find(api_.init, "nvmlInit_v2");
    Find(api_.shutdown, "nvmlShutdown");
    Find(api_.error_string, "nvmlErrorString");
    Find(api_.count, "nvmlDeviceGetCount_v2");
    Find(api_.handle, "nvmlDeviceGetHandleByIndex_v2");
    Find(api_.name, "nvmlDeviceGetName");
    Find(api_.power_mw, "nvmlDeviceGetPowerUsage");
    Find(api_.clock_mhz, "nvmlDeviceGetClockInfo");
    Find(api_.temperature, "nvmlDeviceGetTemperature");
    Find(api_.utilization, "nvmlDeviceGetUtilizationRates");
    Find(api_.clock_reasons, "nvmlDeviceGetCurrentClocksEventReasons");
    if (api_.clock_reasons == nullptr)
      Find(api_.clock_reasons, "nvmlDeviceGetCurrentClocksThrottleReasons");
    Find(api_.memory, "nvmlDeviceGetMemoryInfo");
    if (api_.init == nullptr || api_.count == nullptr || api_.handle == nullptr) {
      error_ = path + " is no NVML: it lacks nvmlInit_v2";
      return;
    }
    const nvml::Return r = api_.init();
    initialised_ = r == nvml::kSuccess;
    if (!initialised_) error_ = fmt::format("nvmlInit_v2 of {}: {}", path, Say(r));
  }
  ~Library() {
    if (initialised_ && api_.shutdown != nullptr) api_.shutdown();
    if (handle_ != nullptr) ::dlclose(handle_);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  /// Empty when the library may be asked.
  const std::string& error() const { return error_; }

  Reading<std::vector<GpuSample>> Read() const {
    using R = Reading<std::vector<GpuSample>>;
    unsigned count = 0;
    const nvml::Return r = api_.count(&count);
    if (r != nvml::kSuccess) return R::Unavailable("nvmlDeviceGetCount_v2: " + Say(r));
    if (count == 0) return R::Unavailable("no GPU: NVML counts none");
    constexpr unsigned kMost = 64;  // of one machine; a broken library could say anything
    std::vector<GpuSample> samples;
    for (unsigned i = 0; i < std::min(count, kMost); ++i) samples.push_back(Sample(i));
    return samples;
  }

 private:
  template <class F>
  void Find(F& function, const char* symbol) {
    function = reinterpret_cast<F>(::dlsym(handle_, symbol));
  }

  std::string Say(nvml::Return r) const {
    const char* text = api_.error_string == nullptr ? nullptr : api_.error_string(r);
    return text == nullptr ? fmt::format("NVML error {}", static_cast<int>(r)) : text;
  }

  /// Calls `ask` and turns its answer into a reading of `convert(value)`.
  template <class Raw, class F, class Ask>
  auto Value(const char* what, F function, Ask&& ask) const -> Reading<Raw> {
    if (function == nullptr)
      return Reading<Raw>::Unavailable(fmt::format("this NVML has no call for the {}", what));
    Raw raw{};
    const nvml::Return r = ask(function, &raw);
    if (r == nvml::kSuccess) return raw;
    return Reading<Raw>::Unavailable(fmt::format("NVML says \"{}\" for the {}", Say(r), what));
  }

  GpuSample Sample(unsigned index) const {
    GpuSample s;
    s.index = index;
    nvml::Device device = nullptr;
    const nvml::Return found = api_.handle(index, &device);
    if (found != nvml::kSuccess) {
      MarkAll(s, fmt::format("nvmlDeviceGetHandleByIndex_v2({}): {}", index, Say(found)));
      return s;
    }
    std::array<char, 96> name{};  // NVML_DEVICE_NAME_V2_BUFFER_SIZE
    if (api_.name != nullptr && api_.name(device, name.data(), name.size()) == nvml::kSuccess) {
      name.back() = '\0';
      s.name = name.data();
    }
    const auto number = [](unsigned v) { return static_cast<double>(v); };
    const auto simple = [device](auto f, auto* out) { return f(device, out); };
    s.power_w = Value<unsigned>("power", api_.power_mw, simple).Map([](unsigned mw) {
      return mw / 1000.0;
    });
    s.sm_mhz = Value<unsigned>("SM clock", api_.clock_mhz, [device](auto f, unsigned* out) {
                 return f(device, nvml::kClockSm, out);
               }).Map(number);
    s.mem_mhz = Value<unsigned>("memory clock", api_.clock_mhz, [device](auto f, unsigned* out) {
                  return f(device, nvml::kClockMem, out);
                }).Map(number);
    s.celsius = Value<unsigned>("temperature", api_.temperature, [device](auto f, unsigned* out) {
                  return f(device, nvml::kSensorGpu, out);
                }).Map(number);
    const auto used = Value<nvml::Utilization>("utilisation", api_.utilization, simple);
    s.util_ratio = used.Map([](const nvml::Utilization& u) { return u.gpu / 100.0; });
    s.mem_util_ratio = used.Map([](const nvml::Utilization& u) { return u.memory / 100.0; });
    s.throttle_bits = Value<unsigned long long>("clock event reasons", api_.clock_reasons, simple)
                          .Map([](unsigned long long bits) { return std::uint64_t{bits}; });
    ReadMemory(device, s);
    return s;
  }

  void ReadMemory(nvml::Device device, GpuSample& s) const {
    bool unified = false;
    const auto memory =
        Value<nvml::Memory>("memory", api_.memory, [device, &unified](auto f, nvml::Memory* out) {
          const nvml::Return r = f(device, out);
          unified = r == nvml::kNotSupported;
          return r;
        });
    s.mem_used = memory.Map([](const nvml::Memory& m) { return Bytes{m.used}; });
    s.mem_total = memory.Map([](const nvml::Memory& m) { return Bytes{m.total}; });
    if (unified) s.mem_used = s.mem_total = Reading<Bytes>::Unavailable(kUnified);
  }

  static void MarkAll(GpuSample& s, const std::string& why) {
    for (auto* r :
         {&s.power_w, &s.sm_mhz, &s.mem_mhz, &s.celsius, &s.util_ratio, &s.mem_util_ratio}) {
      *r = Reading<double>::Unavailable(why);
    }
    s.throttle_bits = Reading<std::uint64_t>::Unavailable(why);
    s.mem_used = s.mem_total = Reading<Bytes>::Unavailable(why);
  }

  void* handle_ = nullptr;
  nvml::Api api_;
  bool initialised_ = false;
  std::string error_;
};

Gpu::Gpu(GpuOptions options) : runner_(std::move(options.runner)) {
  auto library = std::make_unique<Library>(options.library);
  if (library->error().empty()) {
    library_ = std::move(library);
    source_ = "nvml";
    return;
  }
  const auto smi = AskSmi();
  if (smi) {
    source_ = "nvidia-smi";
    return;
  }
  const bool present = GpuPresent(options.roots, options.dev);
  why_blind_ =
      fmt::format("{}: {}; {}", present ? "there is a GPU, but it cannot be seen into" : "no GPU",
                  library->error(), smi.reason());
}

Gpu::~Gpu() = default;

Reading<std::vector<GpuSample>> Gpu::Read() {
  if (library_) return library_->Read();
  if (source_.empty()) return Reading<std::vector<GpuSample>>::Unavailable(why_blind_);
  return AskSmi();
}

Reading<std::vector<GpuSample>> Gpu::AskSmi() {
  using R = Reading<std::vector<GpuSample>>;
  const auto ask = [this] {
    return runner_(
        {"nvidia-smi", "--query-gpu=" + SmiQuery(old_smi_), "--format=csv,noheader,nounits"},
        kSmiLimit);
  };
  CommandResult result = ask();
  if (!old_smi_ && result.outcome == CommandResult::Outcome::kExited && result.exit_code != 0 &&
      (result.out + result.err).find("clocks_event_reasons") != std::string::npos) {
    old_smi_ = true;  // "Field "clocks_event_reasons.active" is not a valid field to query."
    result = ask();
  }
  const std::string why = WhyFailed(result, "nvidia-smi");
  if (!why.empty()) return R::Unavailable(why);
  auto samples = ParseSmiCsv(result.out);
  if (samples.empty()) return R::Unavailable("nvidia-smi lists no GPU: " + Snippet(result.out, 80));
  return samples;
}

std::string SmiQuery(bool old_names) {
  return fmt::format(
      "index,power.draw,clocks.sm,clocks.mem,temperature.gpu,utilization.gpu,utilization.memory,"
      "clocks_{}_reasons.active,memory.used,memory.total,name",
      old_names ? "throttle" : "event");
}

std::vector<GpuSample> ParseSmiCsv(std::string_view csv) {
  constexpr std::size_t kCells = 11;
  std::vector<GpuSample> samples;
  ForEachLine(csv, [&](std::string_view line) {
    std::array<std::string_view, kCells> cells;
    for (std::size_t i = 0; i + 1 < kCells; ++i) {
      const std::size_t comma = line.find(',');
      if (comma == std::string_view::npos) return;
      cells[i] = Trim(line.substr(0, comma));
      line.remove_prefix(comma + 1);
    }
    cells[kCells - 1] = Trim(line);
    const auto index = ParseNumber<unsigned>(cells[0]);
    if (!index) return;
    GpuSample s;
    s.index = *index;
    s.power_w = SmiNumber(cells[1], "the power");
    s.sm_mhz = SmiNumber(cells[2], "the SM clock");
    s.mem_mhz = SmiNumber(cells[3], "the memory clock");
    s.celsius = SmiNumber(cells[4], "the temperature");
    s.util_ratio = SmiNumber(cells[5], "the utilisation", 0.01);
    s.mem_util_ratio = SmiNumber(cells[6], "the memory utilisation", 0.01);
    s.throttle_bits = SmiBits(cells[7]);
    s.mem_used = SmiMemory(cells[8], "the memory used");
    s.mem_total = SmiMemory(cells[9], "the memory");
    s.name = Snippet(cells[10], 96);
    samples.push_back(std::move(s));
  });
  return samples;
}

}  // namespace kvtier
