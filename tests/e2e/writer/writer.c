/*
 * The kernel of a VM that has no system: it looks for QEMU's shared memory on PCI
 * (1af4:1110), writes what Looking Glass's Windows side leaves there, and halts.
 */
typedef unsigned int u32;

#define MAGIC 0x1BADB002u
#define FLAGS 0u
#define ADDRESS 0xCF8
#define DATA 0xCFC
#define IVSHMEM 0x11101AF4u
#define COMMAND 0x04
#define BAR2 0x18
#define MEMORY_ON 2u
#define PROTOCOL 20u

__attribute__((section(".text.header"), used, aligned(4)))
static const u32 header[] = { MAGIC, FLAGS, 0u - (MAGIC + FLAGS) };

static void put(unsigned short port, u32 value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static u32 get(unsigned short port)
{
	u32 value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static u32 config(u32 slot, u32 place)
{
	put(ADDRESS, 0x80000000u | slot << 11 | place);
	return get(DATA);
}

static void write_header(volatile char *memory)
{
	static const char magic[] = "KVMFR---";
	static const char version[] = "B7-e2e";
	u32 n;

	for (n = 0; n < 8; n++)
		memory[n] = magic[n];
	*(volatile u32 *)(memory + 8) = PROTOCOL;
	for (n = 0; n < sizeof(version); n++)
		memory[12 + n] = version[n];
}

void _start(void)
{
	u32 slot;

	for (slot = 0; slot < 32; slot++) {
		if (config(slot, 0) != IVSHMEM)
			continue;
		put(ADDRESS, 0x80000000u | slot << 11 | COMMAND);
		put(DATA, get(DATA) | MEMORY_ON);
		write_header((volatile char *)(config(slot, BAR2) & ~15u));
	}
	for (;;)
		__asm__ volatile("hlt");
}
