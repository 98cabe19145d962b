#include "libs/worker/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/base/writes.h"
#include "libs/worker/utf8_message.h"

namespace trainyard::worker {
namespace {

// What the journal holds already.
struct Past {
  int64_t sequence = 0;
  int64_t epoch = 0;
  int64_t end = 0;
};

std::string JournalPath(const std::string& job_dir) {
  return JoinPath(job_dir, "journal.tfrecord");
}

absl::StatusOr<WorkerEvent> ParseEvent(const std::string& payload, const std::string& path,
                                       int64_t offset) {
  WorkerEvent event;
  if (event.ParseFromString(payload)) return event;
  return absl::DataLossError(
      absl::StrCat("'", path, "': the record before byte ", offset, " is no worker event"));
}

// Whether there is a journal. A FIFO of its name would be waited at for ever.
absl::StatusOr<bool> IsThere(const std::string& path) {
  const auto fd = OpenRegularFile(path);
  if (absl::IsNotFound(fd.status())) return false;
  TY_RETURN_IF_ERROR(fd.status());
  close(*fd);
  return true;
}

absl::Status WithAdvice(const absl::Status& status) {
  if (!absl::IsDataLoss(status)) return status;
  return absl::DataLossError(absl::StrCat(
      status.message(), "; this journal only tells what workers did: remove it and start again"));
}

absl::StatusOr<Past> ReadPast(const std::string& path) {
  Past past;
  TY_ASSIGN_OR_RETURN(const bool is_there, IsThere(path));
  if (!is_there) return past;
  TY_ASSIGN_OR_RETURN(RecordReader reader, RecordReader::Open(path));
  while (true) {
    const auto payload = reader.Next();
    if (absl::IsOutOfRange(payload.status())) break;
    TY_RETURN_IF_ERROR(WithAdvice(payload.status()));
    TY_ASSIGN_OR_RETURN(const WorkerEvent event, ParseEvent(*payload, path, reader.offset()));
    past.sequence = event.sequence();
    past.epoch = std::max(past.epoch, event.fencing_epoch());
  }
  past.end = reader.offset();
  return past;
}

absl::Status CutAt(const std::string& path, int64_t size) {
  TY_ASSIGN_OR_RETURN(const int fd, OpenToWrite(path, O_WRONLY));
  const int error = ftruncate(fd, size) == 0 ? 0 : errno;
  close(fd);
  return error == 0 ? absl::OkStatus() : ErrnoStatus("cut", path, error);
}

void SetTime(absl::Time time, google::protobuf::Timestamp* timestamp) {
  const int64_t nanos = absl::ToUnixNanos(time);
  timestamp->set_seconds(nanos / 1000000000);
  timestamp->set_nanos(static_cast<int>(nanos % 1000000000));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Journal>> Journal::Open(const std::string& job_dir,
                                                       int64_t fencing_epoch) {
  TY_ASSIGN_OR_RETURN(FolderLock lock, FolderLock::Take(job_dir));
  return Open(job_dir, fencing_epoch, std::move(lock));
}

absl::StatusOr<std::unique_ptr<Journal>> Journal::Open(const std::string& job_dir,
                                                       int64_t fencing_epoch, FolderLock lock) {
  const std::string path = JournalPath(job_dir);
  TY_ASSIGN_OR_RETURN(const Past past, ReadPast(path));
  if (past.epoch > fencing_epoch) {
    return absl::FailedPreconditionError(
        absl::StrCat("'", path, "' has events of epoch ", past.epoch, "; this worker has epoch ",
                     fencing_epoch, " and is out of date"));
  }
  TY_ASSIGN_OR_RETURN(RecordWriter writer, RecordWriter::Open(path, /*append=*/true));
  // A kill in the middle of a write leaves a torn tail; the records before it stand.
  if (writer.offset() > past.end) TY_RETURN_IF_ERROR(CutAt(path, past.end));
  return std::unique_ptr<Journal>(
      new Journal(std::move(writer), std::move(lock), fencing_epoch, past.sequence));
}

Journal::Journal(RecordWriter writer, FolderLock lock, int64_t epoch, int64_t sequence)
    : writer_(std::move(writer)), lock_(std::move(lock)), epoch_(epoch), sequence_(sequence) {}

absl::Status Journal::Append(WorkerEvent event) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (finished_) return absl::FailedPreconditionError("this worker has said its last word");
  event.set_sequence(sequence_ + 1);
  event.set_fencing_epoch(epoch_);
  SetTime(absl::Now(), event.mutable_time());
  MakeUtf8(event);
  TY_RETURN_IF_ERROR(writer_.Write(event.SerializeAsString()));
  ++sequence_;
  finished_ = event.has_finished();
  if (event.has_checkpoint() || event.has_finished()) return writer_.Sync();
  return absl::OkStatus();
}

JournalReader::JournalReader(std::string job_dir) : path_(JournalPath(job_dir)) {}

absl::StatusOr<std::vector<WorkerEvent>> JournalReader::Poll() {
  std::vector<WorkerEvent> events;
  TY_RETURN_IF_ERROR(ForEach([&events](WorkerEvent event) {
    events.push_back(std::move(event));
    return absl::OkStatus();
  }));
  return events;
}

absl::Status JournalReader::ForEach(const std::function<absl::Status(WorkerEvent event)>& take) {
  TY_ASSIGN_OR_RETURN(const bool is_there, IsThere(path_));
  if (!is_there) return absl::OkStatus();
  TY_ASSIGN_OR_RETURN(RecordReader reader, RecordReader::Open(path_, offset_));
  while (true) {
    const auto payload = reader.Next();
    if (absl::IsOutOfRange(payload.status())) return absl::OkStatus();
    TY_RETURN_IF_ERROR(WithAdvice(payload.status()));
    TY_ASSIGN_OR_RETURN(WorkerEvent event, ParseEvent(*payload, path_, reader.offset()));
    offset_ = reader.offset();
    TY_RETURN_IF_ERROR(take(std::move(event)));
  }
}

}  // namespace trainyard::worker
