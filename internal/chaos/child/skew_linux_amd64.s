//go:build chaos

#include "textflag.h"

// skewed stands in for the kernel's clock_gettime, with its calling convention:
// DI is the clock, SI points to the time. It runs on the system stack.
TEXT skewed<>(SB), NOSPLIT|NOFRAME, $0
	PUSHQ BX
	PUSHQ SI
	PUSHQ DI
	MOVQ ·realClock(SB), AX
	CALL AX
	POPQ DI
	POPQ SI
	CMPL DI, $0 // CLOCK_REALTIME
	JNE  done
	MOVQ ·skewBy(SB), BX
	ADDQ BX, 0(SI)
done:
	POPQ BX
	RET

DATA ·skewedAddr+0(SB)/8, $skewed<>(SB)
GLOBL ·skewedAddr(SB), NOPTR, $8
