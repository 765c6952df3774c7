#pragma once
#include <string>

#include "harness/judge/host_evidence.hpp"
#include "telemetry/recorder/recorder.hpp"

namespace kvtier {

/// The machine during one window of the recorder, in the words of the noise guards. `device` is the
/// whole disk that holds the KV cache; empty when unknown. What a source could not read is
/// unavailable with its reason.
HostWindow MakeHostWindow(const RecordedWindow& window, const std::string& device);

}  // namespace kvtier
