#pragma once

/// The part of NVML's binary interface that we call: types, values and function names as NVIDIA's
/// NVML API reference gives them. The library comes with the driver and is opened at run time, so
/// neither its header nor the driver is needed to build.
namespace kvtier::nvml {

using Device = struct nvmlDevice_st*;

/// nvmlReturn_t
enum Return : int {
  kSuccess = 0,
  kUninitialized = 1,
  kInvalidArgument = 2,
  kNotSupported = 3,  // GB10 answers so for its memory: it is the host's
  kNoPermission = 4,
  kDriverNotLoaded = 9,
  kUnknown = 999
};

/// nvmlClockType_t
enum Clock : unsigned { kClockSm = 1, kClockMem = 2 };
/// nvmlTemperatureSensors_t
enum Sensor : unsigned { kSensorGpu = 0 };

/// nvmlUtilization_t: percent of the last sample period.
struct Utilization {
  unsigned gpu = 0, memory = 0;
};
/// nvmlMemory_t
struct Memory {
  unsigned long long total = 0, free = 0, used = 0;
};

/// nvmlClocksEventReasons (until driver 535: nvmlClocksThrottleReasons).
inline constexpr unsigned long long kReasonGpuIdle = 0x1;
inline constexpr unsigned long long kReasonApplicationsClocksSetting = 0x2;
inline constexpr unsigned long long kReasonSwPowerCap = 0x4;
inline constexpr unsigned long long kReasonHwSlowdown = 0x8;
inline constexpr unsigned long long kReasonSyncBoost = 0x10;
inline constexpr unsigned long long kReasonSwThermalSlowdown = 0x20;
inline constexpr unsigned long long kReasonHwThermalSlowdown = 0x40;
inline constexpr unsigned long long kReasonHwPowerBrakeSlowdown = 0x80;
inline constexpr unsigned long long kReasonDisplayClockSetting = 0x100;

/// The functions; a null one is not in this version of the library.
struct Api {
  Return (*init)() = nullptr;      // nvmlInit_v2
  Return (*shutdown)() = nullptr;  // nvmlShutdown
  const char* (*error_string)(Return) = nullptr;
  Return (*count)(unsigned*) = nullptr;                            // nvmlDeviceGetCount_v2
  Return (*handle)(unsigned, Device*) = nullptr;                   // nvmlDeviceGetHandleByIndex_v2
  Return (*name)(Device, char*, unsigned) = nullptr;               // nvmlDeviceGetName
  Return (*power_mw)(Device, unsigned*) = nullptr;                 // nvmlDeviceGetPowerUsage
  Return (*clock_mhz)(Device, Clock, unsigned*) = nullptr;         // nvmlDeviceGetClockInfo
  Return (*temperature)(Device, Sensor, unsigned*) = nullptr;      // nvmlDeviceGetTemperature
  Return (*utilization)(Device, Utilization*) = nullptr;           // nvmlDeviceGetUtilizationRates
  Return (*clock_reasons)(Device, unsigned long long*) = nullptr;  // ...CurrentClocksEventReasons
  Return (*memory)(Device, Memory*) = nullptr;                     // nvmlDeviceGetMemoryInfo
};

}  // namespace kvtier::nvml
