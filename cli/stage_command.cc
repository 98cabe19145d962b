#include "cli/stage_command.h"

#include <stop_token>

#include "cli/signal_watch.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/stages/stage_kinds.h"

namespace trainyard::cli {
namespace {

// A spec is a page of text; more is a mistaken file.
constexpr int64_t kMaxSpecBytes = 4 << 20;

void Set(v1::Artifact& artifact, const std::string& name, const std::string& uri) {
  artifact.set_name(name);
  artifact.set_uri(uri);
}

}  // namespace

void AddInput(v1::StageInput& stage, const std::string& name, const std::string& uri) {
  if (!uri.empty()) Set(*stage.add_inputs(), name, uri);
}

void AddOutput(v1::StageInput& stage, const std::string& name, const std::string& uri) {
  if (!uri.empty()) Set(*stage.add_outputs(), name, uri);
}

absl::Status ReadSpecInto(v1::StageInput& stage, const std::string& path,
                          const std::vector<std::string>& overrides) {
  TY_ASSIGN_OR_RETURN(std::string text, ReadFile(path, kMaxSpecBytes));
  stage.set_spec_text(std::move(text));
  stage.set_spec_name(path);
  for (const std::string& change : overrides) stage.add_overrides(change);
  return absl::OkStatus();
}

int FollowOperation(const OutputOptions& output, const std::string& label,
                    const std::string& elsewhere, const std::shared_ptr<grpc::Channel>& channel,
                    const google::longrunning::Operation& operation, const FlagWords& words) {
  service::OperationClient client(channel);
  OperationDisplay display(output, label, words);
  std::stop_source detach;
  const Interruptible interruptible([&] {
    if (elsewhere.empty()) {
      fprintf(stderr, "\n%s: stopping; again to end at once\n", label.c_str());
      client.Cancel(operation.name()).IgnoreError();
    } else {
      detach.request_stop();
    }
  });
  const auto done = client.Wait(
      operation,
      {.update = [&](const v1::OperationMetadata& metadata) { display.Update(metadata); },
       .stop = detach.get_token()});
  display.Finish();
  if (detach.stop_requested()) {
    PrintWayBack("operations", operation.name(), elsewhere);
    return interruptible.exit_code();
  }
  if (!done.ok()) return PrintFailure(output, done.status(), FailedAt::kCall);
  const auto result = service::ResultOf(*done);
  if (!result.ok()) {
    const int code =
        PrintFailure(output, InFlagWords(result.status(), words), FailedAt::kOperation);
    return interruptible.exit_code() != 0 ? interruptible.exit_code() : code;
  }
  PrintResult(output, *result);
  return 0;
}

namespace internal {

int RunRequest(const Session& session, const google::protobuf::Message& request) {
  const std::string& service = stages::FindStageKind(*request.GetDescriptor())->service;
  if (const auto log = OpenLogFile(session); !log.ok()) {
    return PrintFailure(session.output, log, FailedAt::kUsage);
  }
  const auto where = WhereServicesAre(session);
  if (!where.ok()) return PrintFailure(session.output, where.status(), FailedAt::kUsage);
  House house(*where);
  const std::string elsewhere = house.Elsewhere(service);
  if (elsewhere.empty()) WarnOfKeyFile(session);
  const auto channel = house.Channel(service);
  if (!channel.ok()) return PrintFailure(session.output, channel.status(), FailedAt::kOperation);
  const auto operation = service::StartOperation(*channel, request, kStart);
  if (!operation.ok()) {
    return PrintFailure(
        session.output,
        InFlagWords(Explained(operation.status(), *channel, service), session.words),
        FailedAt::kCall);
  }
  if (session.validate_only) {
    const auto result = service::ResultOf(*operation);
    if (!result.ok()) {
      return PrintFailure(session.output, InFlagWords(result.status(), session.words),
                          FailedAt::kCall);
    }
    PrintValid(session.output, "the request");
    return 0;
  }
  if (session.no_wait && !elsewhere.empty()) {
    PrintName(session.output, operation->name());
    return 0;
  }
  return FollowOperation(session.output, service, elsewhere, *channel, *operation, session.words);
}

}  // namespace internal
}  // namespace trainyard::cli
