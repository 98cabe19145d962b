#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "google/longrunning/operations.pb.h"
#include "libs/service/operation_store.h"

namespace trainyard::service {

/// One page that a list request asks for.
struct ListPage {
  /// With a limit of one row more than the page has, which tells whether another page follows.
  OperationStore::Query query;
  int size = 0;
  /// What the page token holds good for: the request's name and filter.
  std::string arguments;
};

/// kInvalidArgument: a name that is none of "", `operations`, `operations/<service>` and
/// `operations/<service>/<replica>`; a filter other than stage=NAME, state=NAME, joined by AND; a
/// token that was given for another list; a negative size.
absl::StatusOr<ListPage> ReadListRequest(const google::longrunning::ListOperationsRequest& request,
                                         const std::string& service, const std::string& replica);

/// The token of the page that follows `last`.
std::string PageTokenAfter(const OperationRow& last, const ListPage& page);

}  // namespace trainyard::service
