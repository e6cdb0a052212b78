// What bindings hold of a lane of the parameter, of its state and of the gradient's values: all f32.

alias ParamStored = Stored;
alias StateStored = Stored;
alias ValueStored = Stored;
