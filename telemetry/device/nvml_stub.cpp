// A stand-in for libnvidia-ml.so.1 with canned answers, for gpu_test: one GB10-like GPU that is
// warm, capped by power, and has no memory of its own. NVML_STUB_INIT_FAILS builds one whose driver
// is not loaded.
#include <cstring>

#include "telemetry/device/nvml_abi.hpp"

using kvtier::nvml::Clock;
using kvtier::nvml::Device;
using kvtier::nvml::Memory;
using kvtier::nvml::Return;
using kvtier::nvml::Sensor;
using kvtier::nvml::Utilization;

extern "C" {

int nvml_stub_sessions = 0;  // opened and not shut down

Return nvmlInit_v2() {
#ifdef NVML_STUB_INIT_FAILS
  return kvtier::nvml::kDriverNotLoaded;
#else
  ++nvml_stub_sessions;
  return kvtier::nvml::kSuccess;
#endif
}
Return nvmlShutdown() {
  --nvml_stub_sessions;
  return kvtier::nvml::kSuccess;
}
const char* nvmlErrorString(Return r) {
  return r == kvtier::nvml::kNotSupported      ? "Not Supported"
         : r == kvtier::nvml::kDriverNotLoaded ? "Driver Not Loaded"
                                               : "Unknown Error";
}
Return nvmlDeviceGetCount_v2(unsigned* count) {
  *count = 2;
  return kvtier::nvml::kSuccess;
}
Return nvmlDeviceGetHandleByIndex_v2(unsigned index, Device* device) {
  static int gpu = 0;
  if (index != 0) return kvtier::nvml::kNoPermission;
  *device = reinterpret_cast<Device>(&gpu);
  return kvtier::nvml::kSuccess;
}
Return nvmlDeviceGetName(Device, char* name, unsigned length) {
  std::strncpy(name, "NVIDIA GB10", length);
  return kvtier::nvml::kSuccess;
}
Return nvmlDeviceGetPowerUsage(Device, unsigned* milliwatt) {
  *milliwatt = 61500;
  return kvtier::nvml::kSuccess;
}
Return nvmlDeviceGetClockInfo(Device, Clock clock, unsigned* mhz) {
  if (clock == kvtier::nvml::kClockMem) return kvtier::nvml::kNotSupported;
  *mhz = 2418;
  return kvtier::nvml::kSuccess;
}
Return nvmlDeviceGetTemperature(Device, Sensor, unsigned* celsius) {
  *celsius = 71;
  return kvtier::nvml::kSuccess;
}
Return nvmlDeviceGetUtilizationRates(Device, Utilization* rates) {
  rates->gpu = 96;
  rates->memory = 0;
  return kvtier::nvml::kSuccess;
}
// The old name only: the new one is looked for first.
Return nvmlDeviceGetCurrentClocksThrottleReasons(Device, unsigned long long* bits) {
  *bits = kvtier::nvml::kReasonSwPowerCap | kvtier::nvml::kReasonGpuIdle;
  return kvtier::nvml::kSuccess;
}
Return nvmlDeviceGetMemoryInfo(Device, Memory*) {
  return kvtier::nvml::kNotSupported;
}

}  // extern "C"
