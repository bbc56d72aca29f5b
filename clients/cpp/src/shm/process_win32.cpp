#if defined(_WIN32)

#include <algorithm>
#include <thread>
#include <utility>

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

#include "maskbus/shm/process.hpp"

namespace maskbus::shm {
namespace {

constexpr std::size_t longest_line = 64 * 1024;
constexpr std::chrono::milliseconds default_patience{5'000};

/// A HANDLE that is closed once.
class Handle {
public:
    Handle() = default;
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() {
        close();
    }
    void close() {
        if (handle_ != nullptr && handle_ != INVALID_HANDLE_VALUE) {
            CloseHandle(handle_);
        }
        handle_ = nullptr;
    }
    [[nodiscard]] HANDLE get() const {
        return handle_;
    }
    [[nodiscard]] HANDLE* address() {
        return &handle_;
    }

private:
    HANDLE handle_ = nullptr;
};

std::wstring wide(const std::string& text) {
    const int size = static_cast<int>(text.size());
    const int count = MultiByteToWideChar(CP_UTF8, 0, text.data(), size, nullptr, 0);
    std::wstring found(static_cast<std::size_t>(count), L'\0');
    MultiByteToWideChar(CP_UTF8, 0, text.data(), size, found.data(), count);
    return found;
}

Error failed(const std::string& program, DWORD problem) {
    return {codes::child_died, "The child " + program + " cannot be started: error " + std::to_string(problem) + "."};
}

/// The list of handles that a child inherits: these and no others.
class Inherited {
public:
    explicit Inherited(std::vector<HANDLE> handles) : handles_(std::move(handles)) {
        SIZE_T size = 0;
        InitializeProcThreadAttributeList(nullptr, 1, 0, &size);
        memory_.resize(size);
        list_ = reinterpret_cast<LPPROC_THREAD_ATTRIBUTE_LIST>(memory_.data());
        sound_ = InitializeProcThreadAttributeList(list_, 1, 0, &size) != 0;
        made_ = sound_;
        sound_ = sound_ && UpdateProcThreadAttribute(list_, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, handles_.data(),
                                                     handles_.size() * sizeof(HANDLE), nullptr, nullptr) != 0;
    }
    Inherited(const Inherited&) = delete;
    Inherited& operator=(const Inherited&) = delete;
    ~Inherited() {
        if (made_) {
            DeleteProcThreadAttributeList(list_);
        }
    }
    [[nodiscard]] LPPROC_THREAD_ATTRIBUTE_LIST list() const {
        return list_;
    }
    [[nodiscard]] bool is_sound() const {
        return sound_;
    }

private:
    std::vector<HANDLE> handles_;
    std::vector<unsigned char> memory_;
    LPPROC_THREAD_ATTRIBUTE_LIST list_ = nullptr;
    bool made_ = false;
    bool sound_ = false;
};

}  // namespace

struct Process::State {
    Handle process;
    Handle input;
    Handle output;
    DWORD pid = 0;
    std::string ending = {};

    /// Return how many bytes can be read at once; none where the other end is closed.
    bool readable(DWORD& bytes) const {
        bytes = 0;
        return PeekNamedPipe(output.get(), nullptr, 0, nullptr, &bytes, nullptr) != 0;
    }
};

Result<Process> Process::start(const std::vector<std::string>& command) {
    if (command.empty()) {
        return Error{codes::invalid_argument, "There is no command to start.", "command"};
    }
    auto state = std::make_unique<State>();
    Handle theirs[2];
    Handle error_output;
    SECURITY_ATTRIBUTES inheritable = {sizeof(SECURITY_ATTRIBUTES), nullptr, TRUE};
    if (CreatePipe(theirs[0].address(), state->input.address(), &inheritable, 0) == 0 ||
        CreatePipe(state->output.address(), theirs[1].address(), &inheritable, 0) == 0) {
        return failed(command[0], GetLastError());
    }
    SetHandleInformation(state->input.get(), HANDLE_FLAG_INHERIT, 0);
    SetHandleInformation(state->output.get(), HANDLE_FLAG_INHERIT, 0);
    const HANDLE ours = GetStdHandle(STD_ERROR_HANDLE);
    std::vector<HANDLE> handles = {theirs[0].get(), theirs[1].get()};
    if (ours != nullptr && ours != INVALID_HANDLE_VALUE &&
        DuplicateHandle(GetCurrentProcess(), ours, GetCurrentProcess(), error_output.address(), 0, TRUE,
                        DUPLICATE_SAME_ACCESS) != 0) {
        handles.push_back(error_output.get());
    }
    const Inherited inherited(handles);
    if (!inherited.is_sound()) {
        return failed(command[0], GetLastError());
    }
    STARTUPINFOEXW startup = {};
    startup.StartupInfo.cb = sizeof startup;
    startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    startup.StartupInfo.hStdInput = theirs[0].get();
    startup.StartupInfo.hStdOutput = theirs[1].get();
    startup.StartupInfo.hStdError = error_output.get();
    startup.lpAttributeList = inherited.list();
    std::wstring line = wide(detail::windows_command_line(command));
    PROCESS_INFORMATION made = {};
    // Ctrl-C in a console is for the parent, which then ends the child.
    const DWORD flags = EXTENDED_STARTUPINFO_PRESENT | CREATE_NEW_PROCESS_GROUP;
    if (CreateProcessW(nullptr, line.data(), nullptr, nullptr, TRUE, flags, nullptr, nullptr, &startup.StartupInfo,
                       &made) == 0) {
        return failed(command[0], GetLastError());
    }
    CloseHandle(made.hThread);
    *state->process.address() = made.hProcess;
    state->pid = made.dwProcessId;
    return Process(std::move(state));
}

Process::Process(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Process::Process(Process&& other) noexcept = default;

Process& Process::operator=(Process&& other) noexcept {
    if (this != &other) {
        end(default_patience);
        state_ = std::move(other.state_);
    }
    return *this;
}

Process::~Process() {
    end(default_patience);
}

Result<std::string> Process::read_line(TimePoint until) {
    std::string line;
    DWORD bytes = 0;
    // A pipe of this kind cannot be waited for together with a time-out.
    while (state_->readable(bytes)) {
        if (bytes == 0) {
            if (std::chrono::steady_clock::now() >= until) {
                return Error{codes::child_died, "The child was not ready in time."};
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
            continue;
        }
        char letter = 0;
        DWORD found = 0;
        if (ReadFile(state_->output.get(), &letter, 1, &found, nullptr) == 0 || found == 0) {
            break;
        }
        if (letter == '\n') {
            if (!line.empty() && line.back() == '\r') {
                line.pop_back();
            }
            return line;
        }
        if (line.size() >= longest_line) {
            return Error{codes::child_died, "The child printed no line where its ready line was due."};
        }
        line += letter;
    }
    end(default_patience);
    return Error{codes::child_died, "The child " + state_->ending + " before it was ready."};
}

bool Process::has_ended() {
    if (!state_->ending.empty()) {
        return true;
    }
    if (WaitForSingleObject(state_->process.get(), 0) == WAIT_OBJECT_0) {
        DWORD code = 0;
        GetExitCodeProcess(state_->process.get(), &code);
        state_->ending = "exited with code " + std::to_string(code);
        return true;
    }
    DWORD bytes = 0;
    char thrown_away[4096];
    while (state_->readable(bytes) && bytes != 0) {
        const DWORD part = std::min<DWORD>(bytes, sizeof thrown_away);
        if (ReadFile(state_->output.get(), thrown_away, part, &bytes, nullptr) == 0) {
            break;
        }
    }
    return false;
}

const std::string& Process::ending() const noexcept {
    return state_->ending;
}

void Process::end(std::chrono::milliseconds patience) {
    if (state_ == nullptr) {
        return;
    }
    state_->input.close();
    if (!has_ended()) {
        const auto milliseconds = static_cast<DWORD>(std::max<std::int64_t>(patience.count(), 0));
        if (WaitForSingleObject(state_->process.get(), milliseconds) != WAIT_OBJECT_0) {
            TerminateProcess(state_->process.get(), 1);
            WaitForSingleObject(state_->process.get(), INFINITE);
        }
        static_cast<void>(has_ended());
    }
    state_->output.close();
}

std::int64_t Process::pid() const noexcept {
    return state_->pid;
}

int Process::output() const noexcept {
    return -1;
}

}  // namespace maskbus::shm

#endif
