#pragma once
#include <nlohmann/json_fwd.hpp>

#include "harness/judge/host_evidence.hpp"
#include "harness/judge/storage_evidence.hpp"

/// The evidence about the machine and its SSD as JSON and back, as evidence_json.hpp does for the
/// rest. Keys are the names of the members.
namespace kvtier {

void to_json(nlohmann::json& j, const HostWindow& v);
void from_json(const nlohmann::json& j, HostWindow& v);
void to_json(nlohmann::json& j, const OtherWorker& v);
void from_json(const nlohmann::json& j, OtherWorker& v);
void to_json(nlohmann::json& j, const RecorderHealth& v);
void from_json(const nlohmann::json& j, RecorderHealth& v);
void to_json(nlohmann::json& j, const HostEvidence& v);
void from_json(const nlohmann::json& j, HostEvidence& v);
void to_json(nlohmann::json& j, const StorageIdentity& v);
void from_json(const nlohmann::json& j, StorageIdentity& v);
void to_json(nlohmann::json& j, const SmartReading& v);
void from_json(const nlohmann::json& j, SmartReading& v);
void to_json(nlohmann::json& j, const StorageEvidence& v);
void from_json(const nlohmann::json& j, StorageEvidence& v);
/// Marks everything in it as not recorded, for a bundle from before it existed.
void SetOlder(HostEvidence& v);
void SetOlder(StorageEvidence& v);

}  // namespace kvtier
