package Test::Gate::Debugger;

# gdb on a running process, to stop it in the middle of a function.

use strict;
use warnings;

use IPC::Open2;

# May processes be stopped here at all?

sub works {
    my $pid = fork // die "fork: $!";

    if (!$pid) {
        sleep 30;
        kill KILL => $$;
    }

    my $said = qx(gdb -nx -batch -p $pid -ex 'print 6*7' 2>&1) // '';

    CORE::kill(KILL => $pid);
    waitpid $pid, 0;

    return $said =~ /= 42$/m;
}

# The process stands still from here on.

sub new {
    my ($class, $pid) = @_;

    my $gdb = open2(my $out, my $in, "exec gdb -nx -q 2>&1");
    my $self = bless { pid => $gdb, traced => $pid, in => $in, out => $out,
                       said => '', owner => $$ }, $class;

    $self->say('set confirm off', 'set pagination off',
               'set auto-solib-add off', "attach $pid",
               'sharedlibrary ngx_http_gate', 'echo attached\n');
    $self->until_said(qr/^(?:\(gdb\) )*attached$/m);

    return $self;
}

# Lets it go on until it comes to a function, and so many instructions beyond.
# Does not wait for that: stopped() does.

sub stop_in {
    my ($self, $function, $steps) = @_;

    $self->say("break $function", 'continue');
    $self->say("stepi $steps") if $steps;
    $self->say('backtrace', 'echo stopped\n');
}

# The functions it is in, the innermost first.

sub stopped {
    my ($self) = @_;

    $self->until_said(qr/^(?:\(gdb\) )*stopped$/m);

    return $self->{said} =~ /^(?:\(gdb\) )*#\d+ +(?:0x\w+ in )?(\w+)/mg;
}

# Counts how often it comes to a function, and lets it go on.

sub count {
    my ($self, $function) = @_;

    $self->say("break $function", 'ignore 1 1000000', 'echo counting\n',
               'continue');
    $self->until_said(qr/^(?:\(gdb\) )*counting$/m);
}

# How often that was.

sub counted {
    my ($self) = @_;

    CORE::kill(INT => $self->{traced});
    $self->say('info breakpoints', 'echo counted\n');
    $self->until_said(qr/^(?:\(gdb\) )*counted$/m);

    my ($n) = $self->{said} =~ /already hit (\d+) time/;

    $self->say('delete', 'detach', 'quit');
    waitpid delete $self->{pid}, 0;

    return $n // 0;
}

sub say {
    my ($self, @lines) = @_;

    print { $self->{in} } map { "$_\n" } @lines;
    $self->{in}->flush;
}

sub until_said {
    my ($self, $what) = @_;

    until ($self->{said} =~ $what) {
        my $ready = '';
        vec($ready, fileno $self->{out}, 1) = 1;

        die "gdb said only:\n$self->{said}"
            unless select($ready, undef, undef,
                          20 * ($ENV{TEST_PATIENCE} // 1))
                   && sysread $self->{out}, $self->{said}, 65536,
                              length $self->{said};
    }
}

# Ends gdb, and the process with it as by "kill -9".

sub kill {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;
    return unless $$ == $self->{owner};

    $self->say('kill', 'quit');
    waitpid $pid, 0;
}

sub DESTROY { local $?; $_[0]->kill }

1;
