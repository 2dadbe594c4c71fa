#include "io/pickle_reader.hpp"

#include <bit>
#include <cstring>

#include "base/error.hpp"
#include "io/pickle_objects.hpp"

// Opcodes as in Python's pickletools; the machine is a stack, a memo, and marks on the stack.

namespace pixelclip {
namespace {

using namespace io;

class Machine {
 public:
  Machine(std::span<const uint8_t> bytes, Objects& objects) : bytes_(bytes), objects_(objects) {}

  size_t used() const { return at_; }

  /// Runs to the STOP opcode; the object it leaves.
  Ref run() {
    if (bytes_.size() < 2 || bytes_[0] != 0x80) objects_.corrupt("it is not a pickle");
    while (true) {
      const uint8_t opcode = number<uint8_t>();
      if (opcode == '.') return pop();
      if (!constant(opcode) && !container(opcode) && !memo(opcode) && !object(opcode)) {
        objects_.corrupt(str("opcode ", int{opcode}, " at byte ", at_ - 1, " is not known"));
      }
    }
  }

 private:
  std::span<const uint8_t> take(uint64_t size) {
    if (size > bytes_.size() - at_) objects_.corrupt("it ends early");
    at_ += size;
    return bytes_.subspan(at_ - size, size);
  }
  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string text(uint64_t size) {
    const auto data = take(size);
    return {reinterpret_cast<const char*>(data.data()), data.size()};
  }
  std::string line() {
    const auto rest = bytes_.subspan(at_);
    const void* end = rest.empty() ? nullptr : std::memchr(rest.data(), '\n', rest.size());
    if (!end) objects_.corrupt("it ends early");
    const auto length = static_cast<uint64_t>(static_cast<const uint8_t*>(end) - rest.data());
    std::string result = text(length);
    ++at_;
    return result;
  }

  bool push(Object value) {
    stack_.push_back(objects_.add(std::move(value)));
    return true;
  }
  bool push_ref(Ref ref) {
    stack_.push_back(ref);
    return true;
  }
  Ref pop() {
    const Ref ref = top();
    stack_.pop_back();
    return ref;
  }
  /// The top of the stack, which must lie above the last mark.
  Ref top() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back()))
      objects_.corrupt("its stack is empty");
    return stack_.back();
  }
  /// What was pushed since the last mark.
  Refs pop_to_mark() {
    if (marks_.empty()) objects_.corrupt("a mark is missing");
    const auto first = stack_.begin() + static_cast<ptrdiff_t>(marks_.back());
    Refs items(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }
  Refs pop_many(int count) {
    Refs items(count);
    for (int i = count; i-- > 0;) items[i] = pop();
    return items;
  }
  bool set(uint64_t index) {
    // A pickler numbers its memo without gaps, and every object takes bytes.
    if (index > at_) objects_.corrupt("a memo number is too large");
    if (index >= memo_.size()) memo_.resize(index + 1, kNothing);
    memo_[index] = top();
    return true;
  }
  bool get(uint64_t index) {
    if (index >= memo_.size() || memo_[index] == kNothing)
      objects_.corrupt("a memo entry is missing");
    return push_ref(memo_[index]);
  }

  /// A little-endian two's complement integer of any length; one beyond 64 bits becomes Opaque.
  bool integer(uint64_t size) {
    const auto data = take(size);
    if (size > 8) {
      Bytes digits{std::string(reinterpret_cast<const char*>(data.data()), size)};
      return push_ref(objects_.add_unknown("builtins.int", {objects_.add(std::move(digits))}));
    }
    uint64_t value = size > 0 && data[size - 1] & 0x80 ? ~uint64_t{0} : 0;
    for (uint64_t i = size; i-- > 0;) value = value << 8 | data[i];
    return push(static_cast<int64_t>(value));
  }

  bool constant(uint8_t opcode) {
    switch (opcode) {
      case 0x80:  // PROTO
        if (const int version = number<uint8_t>(); version < 2 || version > 5) {
          objects_.corrupt(str("pickle protocol ", version, " is not one of 2 to 5"));
        }
        return true;
      case 0x95:
        number<uint64_t>();
        return true;  // FRAME
      case 'N':
        return push(std::monostate());  // NONE
      case 0x88:
        return push(true);  // NEWTRUE
      case 0x89:
        return push(false);  // NEWFALSE
      case 'J':
        return push(int64_t{number<int32_t>()});  // BININT
      case 'K':
        return push(int64_t{number<uint8_t>()});  // BININT1
      case 'M':
        return push(int64_t{number<uint16_t>()});  // BININT2
      case 0x8a:
        return integer(number<uint8_t>());  // LONG1
      case 0x8b:
        return integer(number<uint32_t>());  // LONG4
      case 'G':
        return push(std::bit_cast<double>(__builtin_bswap64(number<uint64_t>())));
      case 'X':
        return push(text(number<uint32_t>()));  // BINUNICODE
      case 0x8c:
        return push(text(number<uint8_t>()));  // SHORT_BINUNICODE
      case 0x8d:
        return push(text(number<uint64_t>()));  // BINUNICODE8
      case 'T':
        return push(text(number<uint32_t>()));  // BINSTRING
      case 'U':
        return push(text(number<uint8_t>()));  // SHORT_BINSTRING
      case 'B':
        return push(Bytes{text(number<uint32_t>())});  // BINBYTES
      case 'C':
        return push(Bytes{text(number<uint8_t>())});  // SHORT_BINBYTES
      case 0x8e:
      case 0x96:
        return push(Bytes{text(number<uint64_t>())});  // BINBYTES8, BYTEARRAY8
      default:
        return false;
    }
  }

  bool container(uint8_t opcode) {
    switch (opcode) {
      case ']':
        return push(ListObject());  // EMPTY_LIST
      case 'l':
        return push(ListObject{pop_to_mark()});  // LIST
      case ')':
        return push(TupleObject());  // EMPTY_TUPLE
      case 't':
        return push(TupleObject{pop_to_mark()});  // TUPLE
      case 0x85:
        return push(TupleObject{pop_many(1)});  // TUPLE1
      case 0x86:
        return push(TupleObject{pop_many(2)});  // TUPLE2
      case 0x87:
        return push(TupleObject{pop_many(3)});  // TUPLE3
      case '}':
        return push(DictObject());  // EMPTY_DICT
      case 'd': {                   // DICT
        const Refs items = pop_to_mark();
        push(DictObject());
        return extend(items, true);
      }
      case 0x8f:
        return push_ref(objects_.add_unknown("builtins.set", {}));  // EMPTY_SET
      case 0x91:                                                    // FROZENSET
        return push_ref(objects_.add_unknown("builtins.frozenset", pop_to_mark()));
      case 'a':
        return extend(pop_many(1), false);  // APPEND
      case 'e':
      case 0x90:
        return extend(pop_to_mark(), false);  // APPENDS, ADDITEMS
      case 's':
        return extend(pop_many(2), true);  // SETITEM
      case 'u':
        return extend(pop_to_mark(), true);  // SETITEMS
      default:
        return false;
    }
  }

  bool extend(const Refs& items, bool pairs) {
    if (pairs && items.size() % 2 != 0) objects_.corrupt("a dict has a key without a value");
    Object& target = objects_[top()];
    Refs* into = nullptr;
    if (auto* unknown = std::get_if<UnknownObject>(&target)) into = &(*unknown)->args;
    if (auto* list = std::get_if<ListObject>(&target); list && !pairs) into = &list->items;
    if (auto* dict = std::get_if<DictObject>(&target); dict && pairs) into = &dict->items;
    if (!into) objects_.corrupt("items are added to something that holds none");
    into->insert(into->end(), items.begin(), items.end());
    return true;
  }

  bool memo(uint8_t opcode) {
    switch (opcode) {
      case '(':
        marks_.push_back(stack_.size());
        return true;  // MARK
      case '0':
        pop();
        return true;  // POP
      case '1':
        pop_to_mark();
        return true;  // POP_MARK
      case '2':
        return push_ref(top());  // DUP
      case 'q':
        return set(number<uint8_t>());  // BINPUT
      case 'r':
        return set(number<uint32_t>());  // LONG_BINPUT
      case 0x94:
        return set(memo_.size());  // MEMOIZE
      case 'h':
        return get(number<uint8_t>());  // BINGET
      case 'j':
        return get(number<uint32_t>());  // LONG_BINGET
      default:
        return false;
    }
  }

  bool object(uint8_t opcode) {
    switch (opcode) {
      case 'c': {  // GLOBAL
        std::string module = line();
        return push(GlobalObject{std::move(module) + "." + line()});
      }
      case 0x93: {  // STACK_GLOBAL
        const Refs names = pop_many(2);
        return push(GlobalObject{objects_.expect<std::string>(names[0], "a module's name") + "." +
                                 objects_.expect<std::string>(names[1], "a class's name")});
      }
      case 'R':
      case 0x81: {  // REDUCE, NEWOBJ
        const Refs call = pop_many(2);
        return push_ref(objects_.call(call[0], call[1]));
      }
      case 0x92: {  // NEWOBJ_EX: class, arguments, keyword arguments
        const Refs call = pop_many(3);
        return push_ref(objects_.call(call[0], call[1]));
      }
      case 'b': {  // BUILD: a state for the object below it; plain values have no use for one
        const Ref state = pop();
        objects_.build(top(), state);
        return true;
      }
      case 'Q':
        return push_ref(objects_.persistent(pop()));  // BINPERSID
      default:
        return false;
    }
  }

  static constexpr Ref kNothing = ~Ref{0};
  std::span<const uint8_t> bytes_;
  Objects& objects_;
  size_t at_ = 0;
  Refs stack_, memo_;
  std::vector<size_t> marks_;
};

}  // namespace

Value unpickle(std::span<const uint8_t> bytes, const std::string& source,
               const StorageLookup& storage) {
  size_t used = 0;
  return io::unpickle_first(bytes, source, storage, used);
}

Value io::unpickle_first(std::span<const uint8_t> bytes, const std::string& source,
                         const StorageLookup& storage, size_t& used, SeenStorages* seen) {
  Objects objects(source, bytes.size(), storage);
  Machine machine(bytes, objects);
  const Ref root = machine.run();
  used = machine.used();
  if (seen) *seen = objects.seen();
  return objects.unfold(root);
}

}  // namespace pixelclip
