#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libs/service/operation_store.h"

namespace trainyard::testing {

inline service::OperationRow Row(const std::string& id, const std::string& request_id = "",
                                 int64_t create_us = 1) {
  service::OperationRow row;
  row.id = id;
  row.stage = "train";
  row.request = std::make_shared<const std::string>("bytes\0with nul", 14);
  row.request_id = request_id;
  row.request_digest = "digest";
  row.metadata.set_state(v1::OperationMetadata::PENDING);
  row.owner = "r1/a";
  row.create_us = create_us;
  return row;
}

inline std::vector<std::string> IdsOf(const std::vector<service::OperationRow>& rows) {
  std::vector<std::string> ids;
  for (const service::OperationRow& row : rows) ids.push_back(row.id);
  return ids;
}

inline void End(service::OperationRow& row, int64_t seconds = 100) {
  row.metadata.set_state(v1::OperationMetadata::SUCCEEDED);
  row.metadata.mutable_end_time()->set_seconds(seconds);
  row.response.emplace().add_notes("done");
}

}  // namespace trainyard::testing
