#include <algorithm>

#include "harness/report/evidence_json.hpp"
#include "harness/report/host_evidence_json.hpp"
#include "harness/report/summary.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

json PathOf(const SummaryInput& in, const char* file) {
  return in.device_files.contains(file) ? json(file) : json();
}

json PayloadOf(const SummaryInput& in, const char* file) {
  const auto found = in.device_files.find(file);
  return found == in.device_files.end() ? json() : found->second;
}

json TextOrNull(const std::string& text) {
  return text.empty() ? json() : json(text);
}

// Why nothing is known of the disk. A bundle without any capture has readings that say so.
std::string StorageReason(const StorageEvidence& storage) {
  return "the disk was not described: " +
         (storage.before.available() ? "its device is unknown" : storage.before.reason());
}

Reading<double> Hottest(const HostWindow& w) {
  Reading<double> hottest = w.zone_celsius_max;
  for (const auto& r : {w.nvme_celsius_max, w.gpu_celsius_max}) {
    if (r.available() && (!hottest.available() || *r > *hottest)) hottest = r;
  }
  return hottest;
}

}  // namespace

json NvmeBlock(const SummaryInput& in) {
  namespace files = bundle_files;
  const auto& identity = in.leg.storage.identity;
  const bool any = std::any_of(in.device_files.begin(), in.device_files.end(), [](const auto& f) {
    return f.first == files::kNvmeIdentity || f.first == files::kSmartPre ||
           f.first == files::kSmartPost;
  });
  if (!any && identity.controller.empty()) {
    return {
        {"unavailable", identity.device.empty()
                            ? StorageReason(in.leg.storage)
                            : identity.device + " is no NVMe disk, so it has no SMART log page"}};
  }
  return {{"device", TextOrNull(identity.device)},
          {"identity", PayloadOf(in, files::kNvmeIdentity)},
          {"smart_pre", PayloadOf(in, files::kSmartPre)},
          {"smart_post", PayloadOf(in, files::kSmartPost)},
          {"identity_path", PathOf(in, files::kNvmeIdentity)},
          {"smart_pre_path", PathOf(in, files::kSmartPre)},
          {"smart_post_path", PathOf(in, files::kSmartPost)},
          {"device_metadata_pre_path", PathOf(in, files::kDeviceMetadataPre)},
          {"device_metadata_post_path", PathOf(in, files::kDeviceMetadataPost)}};
}

json StorageBlock(const SummaryInput& in) {
  namespace files = bundle_files;
  const auto& s = in.leg.storage;
  const auto& i = s.identity;
  const bool pre = in.device_files.contains(files::kDeviceMetadataPre);
  const bool post = in.device_files.contains(files::kDeviceMetadataPost);
  if (i.device.empty() && !pre && !post) return {{"unavailable", StorageReason(s)}};
  return {{"primary_nvme_controller", TextOrNull(i.controller)},
          {"primary_nvme_device", TextOrNull(i.device)},
          {"primary_nvme_namespace", TextOrNull(i.name_space)},
          {"primary_nvme_model", TextOrNull(i.model)},
          {"primary_nvme_serial", TextOrNull(i.serial)},
          {"primary_nvme_fw", TextOrNull(i.firmware)},
          {"primary_nvme_size", i.size},
          {"primary_bdf", TextOrNull(i.bdf)},
          {"pcie_link", TextOrNull(i.pcie_link)},
          {"device_metadata_pre_path", PathOf(in, files::kDeviceMetadataPre)},
          {"device_metadata_post_path", PathOf(in, files::kDeviceMetadataPost)},
          {"device_metadata_pre_capture_errors", pre ? json(s.capture_errors_before) : json()},
          {"device_metadata_post_capture_errors", post ? json(s.capture_errors_after) : json()},
          {"smart_delta", in.notes.smart_delta}};
}

json IoAttributionBlock(const SummaryInput& in) {
  const auto& report = in.leg.io_attribution;
  return {{"enabled", in.notes.io_attribution_enabled || report.has_value()},
          {"available", report && report->available},
          {"report_path", report ? json(bundle_files::kIoAttribution) : json()},
          {"capture_error_count", report ? report->capture_errors.size() : 0}};
}

json HostBlock(const HostEvidence& host) {
  if (!host.during.available()) return {{"unavailable", host.during.reason()}};
  const HostWindow& w = *host.during;
  json j = {{"device", w.device},
            {"other_read_bytes", w.other_read},
            {"other_write_bytes", w.other_write},
            {"cpu_busy_ratio", w.cpu_busy_ratio},
            {"cpu_other_ratio", w.cpu_other_ratio},
            {"cpu_iowait_ratio", w.cpu_iowait_ratio},
            {"read_await_ms", w.read_await_ms},
            {"write_await_ms", w.write_await_ms},
            {"queue_depth", w.queue_depth},
            {"hottest_celsius", Hottest(w)},
            {"cpu_stall_ratio", w.cpu_stall_ratio},
            {"io_stall_ratio", w.io_stall_ratio},
            {"memory_stall_ratio", w.memory_stall_ratio}};
  return j;
}

}  // namespace kvtier
