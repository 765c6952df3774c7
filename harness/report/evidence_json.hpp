#pragma once
#include <filesystem>
#include <functional>

#include <nlohmann/json.hpp>

#include "harness/judge/evidence.hpp"

/// The typed evidence as JSON and back: what the bundle writes is what the rules read. A reading is
/// its value or
/// {"unavailable": "<reason>"}. Reading is strict: a missing key throws; only keys that came after
/// the first release read as unavailable where they are missing.
namespace kvtier {

/// Version of every artifact written by this library. A reader that meets another one refuses
/// (DataError).
inline constexpr int kBundleSchemaVersion = 1;

void to_json(nlohmann::json& j, const KvbmSnapshot& s);
void from_json(const nlohmann::json& j, KvbmSnapshot& s);
void to_json(nlohmann::json& j, const TierTraffic& t);
void from_json(const nlohmann::json& j, TierTraffic& t);
void to_json(nlohmann::json& j, const ProcessIo& p);
void from_json(const nlohmann::json& j, ProcessIo& p);
void to_json(nlohmann::json& j, const KvFile& f);
void from_json(const nlohmann::json& j, KvFile& f);
void to_json(nlohmann::json& j, const IoTraffic& t);
void from_json(const nlohmann::json& j, IoTraffic& t);
void to_json(nlohmann::json& j, const ExpectedHits::Range& r);
void from_json(const nlohmann::json& j, ExpectedHits::Range& r);
void to_json(nlohmann::json& j, const ExpectedHits& e);
void from_json(const nlohmann::json& j, ExpectedHits& e);
void to_json(nlohmann::json& j, const DrainResult& d);
void from_json(const nlohmann::json& j, DrainResult& d);
void to_json(nlohmann::json& j, const ClientLoad& c);
void from_json(const nlohmann::json& j, ClientLoad& c);
void to_json(nlohmann::json& j, const PhaseEvidence& p);
void from_json(const nlohmann::json& j, PhaseEvidence& p);
void to_json(nlohmann::json& j, const WorkerReadback& w);
void from_json(const nlohmann::json& j, WorkerReadback& w);
/// A leg without its phases and records, which have files of their own, and without what reading it
/// decides (run_dir, closed).
nlohmann::json LegHeadJson(const LegEvidence& leg);
void ReadLegHead(const nlohmann::json& j, LegEvidence& leg);

/// Reads a JSON object and checks its schema_version. Throws IoError when unreadable, DataError
/// naming the file and the key when it is no object or of another version.
nlohmann::json ReadVersioned(const std::filesystem::path& file, int version = kBundleSchemaVersion);
/// Runs `read`, turning a JSON exception into a DataError that names the file and what was wrong.
void ReadingFrom(const std::filesystem::path& file, const std::function<void()>& read);

}  // namespace kvtier
